"""Where archives of caches are kept: on a volume, which gives locks, or in a registry, which gives none."""

import fcntl
import logging
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import BinaryIO, Protocol

from yadokari_builder.cache.locks import lock_file
from yadokari_builder.cache.mounts.sealed import SealedFile, seal
from yadokari_builder.cache.whole import completed, sweep
from yadokari_builder.errors import ImageInvalidError, ImageNotFoundError
from yadokari_builder.layers.pack import PackedLayer
from yadokari_builder.layers.streams import CHUNK_SIZE
from yadokari_builder.oci.config import ImageConfig
from yadokari_builder.oci.image import Image
from yadokari_builder.oci.media_types import OCI_MANIFEST
from yadokari_builder.oci.platform import Platform
from yadokari_builder.oci.reference import Reference, Repository
from yadokari_builder.registry.client import RegistryClient
from yadokari_builder.registry.pull import Puller
from yadokari_builder.registry.push import Pusher
from yadokari_builder.registry.source import LayerSource, LocalLayer

logger = logging.getLogger(__name__)

Stamp = tuple[int, int, int] | None
"""What an archive is known by again, None for none."""

MOST_ARCHIVES = 8
"""How many archives a cache may be in."""

# Seconds that a build waits for a cache which another one has locked, or hangs on to for ever.
_PATIENCE = 600.0
_PAUSE = 0.1


class Kept(Protocol):
    """What a place has of a cache, in a `number` of archives; to be closed."""

    @property
    def number(self) -> int:
        """How many archives there are."""

    @property
    def archives(self) -> Iterator[BinaryIO]:
        """Open them, the latest first; who reads them to their ends has what was put there."""

    def close(self) -> None:
        """Let go of them: nothing can be put onto them any more."""


class Place(Protocol):
    """Keeps caches by name, each in an archive or several; all may raise `BuilderError` and `OSError`.

    One that `has_locks` gives a cache to one build at a time, if that is wanted.
    """

    @property
    def has_locks(self) -> bool:
        """Whether `claimed` keeps other builds away."""

    def find(self, name: str) -> Kept | None:
        """Open what is kept of a cache, None if there is nothing."""

    def stamp(self, name: str) -> Stamp:
        """Tell what the archive is known by; another one has another."""

    def put(self, name: str, packed: PackedLayer, notes: Mapping[str, str], onto: Kept | None = None) -> None:
        """Keep an archive, `onto` others, in place of what is there, as a whole or not at all."""

    def claimed(self, name: str, *, wait: bool) -> AbstractContextManager[bool]:
        """Have a cache for oneself; tells whether that is so. If another build has it, that is waited for."""


@dataclass(frozen=True, slots=True)
class Volume:
    """A folder of the host, on a volume that other builds may have too: a file for each cache, see `sealed`.

    Whoever else writes there is not trusted: what is not a file, or is not whole, is not read.
    """

    folder: str
    has_locks: bool = True

    def find(self, name: str) -> SealedFile | None:
        """Open a cache's file."""
        try:
            found = SealedFile.open(self._path(name))
        except FileNotFoundError:
            return None
        if found.number > MOST_ARCHIVES:
            found.close()
            raise ImageInvalidError(f"it is a file of {found.number} archives")
        return found

    def stamp(self, name: str) -> Stamp:
        """Tell by inode, time and size which file it is."""
        try:
            status = os.lstat(self._path(name))
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns, status.st_size

    def put(
        self,
        name: str,
        packed: PackedLayer,
        notes: Mapping[str, str],  # noqa: ARG002
        onto: Kept | None = None,
    ) -> None:
        """Write a file beside the one that is there, and rename it."""
        sweep(self.folder)
        path = self._path(name)
        descriptor = packed.layer.descriptor
        with packed.file.open() as source, completed(path, 0o600) as file:
            if isinstance(onto, SealedFile):
                onto.copy_to(file)
            while chunk := source.read(CHUNK_SIZE):
                file.write(chunk)
            file.write(seal(bytes.fromhex(descriptor.digest.hex), descriptor.size))
            file.flush()
            os.fsync(file.fileno())

    @contextmanager
    def claimed(self, name: str, *, wait: bool) -> Iterator[bool]:
        """Lock a file beside the archive (flock(2)), which goes with the pod that has locked it."""
        with lock_file(f"{self._path(name)}.lock") as descriptor:
            yield self._is_locked(descriptor, name, _PATIENCE if wait else 0)

    def _is_locked(self, descriptor: int, name: str, patience: float) -> bool:
        deadline = time.monotonic() + patience
        is_told = False
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    return False
            else:
                return True
            if not is_told:
                logger.info("waiting for the cache %s, which another build has locked", name)
                is_told = True
            time.sleep(_PAUSE)

    def _path(self, name: str) -> str:
        return f"{self.folder}/{name}.tar.zst"


@dataclass(frozen=True, slots=True)
class Shelf:
    """A repository of a registry: an image for each cache, tagged with its name, a layer for each archive."""

    client: RegistryClient
    repository: Repository
    platform: Platform
    has_locks: bool = False

    def find(self, name: str) -> "_Image | None":
        """Find a cache's image."""
        try:
            found = Puller(self.client).resolve(Reference(self.repository, name), self.platform)
        except ImageNotFoundError:
            return None
        if not 1 <= len(found.layers) <= MOST_ARCHIVES:
            raise ImageInvalidError(f"it is an image of {len(found.layers)} layers")
        return _Image(found.layers)

    def stamp(self, name: str) -> Stamp:  # noqa: ARG002
        """Tell nothing: nobody asks where there are no locks."""
        return None

    def put(self, name: str, packed: PackedLayer, notes: Mapping[str, str], onto: Kept | None = None) -> None:
        """Push an image; whoever does so last has put what is there."""
        created = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        earlier = onto.layers if isinstance(onto, _Image) else ()
        sources = (*earlier, LocalLayer(packed.layer, packed.file.open))
        layers = [source.layer for source in sources]
        diff_ids = tuple(layer.diff_id for layer in layers)
        config = ImageConfig(platform=self.platform, created=created, diff_ids=diff_ids)
        image = Image.assemble(config, layers, OCI_MANIFEST, notes)
        with Pusher(self.client, [Reference(self.repository, name)]) as pusher:
            for source in sources:
                pusher.add_layer(source)
            pusher.finish(image)

    def claimed(self, name: str, *, wait: bool) -> AbstractContextManager[bool]:  # noqa: ARG002
        """Claim nothing."""
        return nullcontext(True)


@dataclass(frozen=True, slots=True)
class _Image:
    """A cache in a registry: a layer for each archive, the latest last."""

    layers: tuple[LayerSource, ...]

    @property
    def number(self) -> int:
        return len(self.layers)

    @property
    def archives(self) -> Iterator[BinaryIO]:
        """Open them as verified streams."""
        return (layer.open() for layer in reversed(self.layers))

    def close(self) -> None:
        """Do nothing: there is nothing to hold."""
