"""Members of a layer whose content stays what it is while others write to the files."""

import itertools
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from yadokari_builder.layers.content import clone
from yadokari_builder.layers.layer_file import Content, LayerFile
from yadokari_builder.layers.members import FileContent, Members
from yadokari_builder.layers.tar_member import BLOCK, Member


class Amount(NamedTuple):
    """How much is held: a number of members, and bytes in memory."""

    members: int
    memory: int

    def without(self, other: "Amount") -> "Amount":
        """Return what is left when `other` is taken away."""
        return Amount(self.members - other.members, self.memory - other.memory)


def hold(members: Members, limit: Amount, folder: Path) -> "Held":
    """Hold the content of members as it is now, as far as `limit` goes.

    Files are read into memory, or cloned into `folder` where the file system shares their blocks between
    clones; copies would take as much of the disk again as the layer's files do.
    """
    held = Held(folder)
    ahead = iter(members)
    for member, content in ahead:
        if not held.add(member, content, limit):
            held.rest = itertools.chain([(member, content)], ahead)
            break
    return held


@dataclass(slots=True)
class Held:
    """Members that are held and, after them, the `rest` of a layer's members where not all could be held.

    They are to be iterated over once, and released in the end. `size` is that of the content held, in bytes.
    """

    folder: Path
    rest: Iterator[tuple[Member, Content | None]] | None = None
    size: int = 0
    memory: int = 0
    _members: list[tuple[Member, Content | None]] = field(default_factory=list)
    _clones: list[Path] = field(default_factory=list)

    @property
    def amount(self) -> Amount:
        """How much is held."""
        return Amount(len(self._members), self.memory)

    def __iter__(self) -> Iterator[tuple[Member, Content | None]]:
        return itertools.chain(self._members, self.rest or ())

    def add(self, member: Member, content: Content | None, limit: Amount) -> bool:
        """Hold one more member; tells whether that was possible."""
        if len(self._members) == limit.members:
            return False
        if isinstance(content, FileContent):
            content = self._keep(content, member.size, limit.memory)
            if content is None:
                return False
        self._members.append((member, content))
        self.size += member.size
        return True

    def release(self) -> None:
        """Let go of everything."""
        self._members.clear()
        for path in self._clones:
            path.unlink(missing_ok=True)

    def _keep(self, content: FileContent, size: int, most_memory: int) -> Content | None:
        file = content.open()
        try:
            if self.memory + size > most_memory:
                return self._clone(file)
            data = os.pread(file, size, 0)
        finally:
            os.close(file)
        if len(data) < size:
            return None  # what is wrong with it comes to light when it is packed
        self.memory += size
        return _Kept(data)

    def _clone(self, file: int) -> FileContent | None:
        handle, name = tempfile.mkstemp(prefix="held-", dir=self.folder)
        try:
            is_cloned = clone(file, handle)
        finally:
            os.close(handle)
        if not is_cloned:
            os.unlink(name)
            return None
        self._clones.append(Path(name))
        return FileContent(name)


@dataclass(frozen=True, slots=True)
class _Kept:
    data: bytes

    def write_to(self, layer: LayerFile, size: int) -> None:
        layer.write(self.data)
        layer.write(bytes(-size % BLOCK))
