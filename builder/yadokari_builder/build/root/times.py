"""Times of a base's folders in which a container runtime has made mount points, as the layers have them."""

import os
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field

from yadokari_builder.layers.compression import decompress
from yadokari_builder.layers.members import Members
from yadokari_builder.layers.tar_member import Kind
from yadokari_builder.layers.tar_reader import TarReader
from yadokari_builder.registry.pull import PulledImage
from yadokari_builder.registry.source import LayerSource
from yadokari_builder.rootfs.boundary import Boundary
from yadokari_builder.rootfs.paths import normalise

_SECOND = 1_000_000_000


@dataclass(slots=True)
class FolderTimes:
    """The times that folders of `base` have in its layers; `stamps` are what the runtime has made of them.

    The layers are read when one goes into another layer, and only as far as all are known.
    """

    boundary: Boundary
    base: PulledImage
    stamps: Mapping[str, int]
    _known: dict[str, int] = field(default_factory=dict)
    _is_read: bool = False

    def restored(self, members: Members, latest: int | None) -> Members:
        """Give folders that nobody has touched since the time of the base; `latest` is in seconds.

        Raises what reading layers raises.
        """
        for member, content in members:
            path = normalise(member.name)
            if latest != 0 and member.kind is Kind.DIRECTORY and self._is_stamped(path):
                time_ns = self._times().get(path, self.stamps[path])
                bounded = time_ns if latest is None else min(time_ns, latest * _SECOND)
                yield member._replace(mtime_ns=bounded), content
            else:
                yield member, content

    def _is_stamped(self, path: str) -> bool:
        stamp = self.stamps.get(path)
        return stamp is not None and os.lstat(self.boundary.host(path)).st_mtime_ns == stamp

    def _times(self) -> Mapping[str, int]:
        if not self._is_read:
            # The topmost entry of a folder says what it is.
            for layer in reversed(self.base.layers):
                if missing := self.stamps.keys() - self._known.keys():
                    self._known |= _read(layer, missing)
            self._is_read = True
        return self._known


def _read(layer: LayerSource, wanted: set[str]) -> dict[str, int]:
    """Read the times of folders from a layer, as far as they are in it.

    What is left unread is not checked against its digest: a registry that lies would change a time.
    """
    found: dict[str, int] = {}
    with closing(layer.open()) as blob:
        for member in TarReader(decompress(blob)):
            path = normalise(member.name)
            if path in wanted and member.kind is Kind.DIRECTORY:
                found[path] = member.mtime_ns
                if len(found) == len(wanted):
                    break
    return found
