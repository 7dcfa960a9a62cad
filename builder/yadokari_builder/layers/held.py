"""Members of a layer whose content stays what it is while others write to the files."""

import itertools
import os
import resource
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from yadokari_builder.layers.layer_file import Content, LayerFile
from yadokari_builder.layers.members import FileContent, Members
from yadokari_builder.layers.nameless import NamelessFile
from yadokari_builder.layers.tar_member import Member
from yadokari_builder.rootfs.content import clone

# A clone keeps its blocks when the file itself is deleted: of free space as many times as much must be left.
_FREE_FOR_CLONED = 10
# Each clone takes a descriptor: of all that this process may have one in as many.
_DESCRIPTORS_FOR_CLONES = 4
# Bytes that a member takes besides its texts.
_MEMBER = 350


def hold(members: Members, limit: int, folder: Path) -> "Held":
    """Hold the content of members as it is now, as far as `limit` bytes of memory go.

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

    They are to be iterated over once, and released in the end. `size` is that of the content held, `memory`
    what holding takes, both in bytes.
    """

    folder: Path
    rest: Iterator[tuple[Member, Content | None]] | None = None
    size: int = 0
    memory: int = 0
    _members: list[tuple[Member, Content | None]] = field(default_factory=list)
    _cloned: int = 0
    _clones: int = 0

    def __iter__(self) -> Iterator[tuple[Member, Content | None]]:
        return itertools.chain(self._members, self.rest or ())

    def add(self, member: Member, content: Content | None, limit: int) -> bool:
        """Hold one more member; tells whether that was possible."""
        memory = self.memory + _memory_of(member)
        if memory > limit:
            return False
        if isinstance(content, FileContent):
            if memory + member.size <= limit:
                memory += member.size
                content = _read(content, member.size)
            else:
                content = self._clone(content, member.size)
            if content is None:
                return False
        self._members.append((member, content))
        self.memory = memory
        self.size += member.size
        return True

    def release(self) -> None:
        """Let go of everything."""
        self._members.clear()

    def _clone(self, content: FileContent, size: int) -> "_Cloned | None":
        space = os.statvfs(self.folder)
        is_too_large = (self._cloned + size) * _FREE_FOR_CLONED > space.f_bavail * space.f_frsize
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[0] // _DESCRIPTORS_FOR_CLONES
        if is_too_large or self._clones >= most:
            return None
        copy = NamelessFile(self.folder)
        file = content.open()
        try:
            if not clone(file, copy.descriptor):
                return None
        finally:
            os.close(file)
        self._cloned += size
        self._clones += 1
        return _Cloned(copy, content.path)


def _memory_of(member: Member) -> int:
    texts = sys.getsizeof(member.name) + sys.getsizeof(member.link)
    return _MEMBER + texts + sum(len(value) for value in member.xattrs.values())


def _read(content: FileContent, size: int) -> "_Kept | None":
    file = content.open()
    try:
        data = os.pread(file, size, 0)
    finally:
        os.close(file)
    # What is wrong with a file that is shorter comes to light when it is packed.
    return _Kept(data) if len(data) == size else None


@dataclass(frozen=True, slots=True)
class _Kept:
    data: bytes

    def write_to(self, layer: LayerFile, size: int) -> int:  # noqa: ARG002
        return layer.write_content(self.data)


@dataclass(frozen=True, slots=True)
class _Cloned:
    file: NamelessFile
    name: str

    def write_to(self, layer: LayerFile, size: int) -> int:
        descriptor = self.file.descriptor
        return layer.write_file(
            lambda buffer, offset: os.preadv(descriptor, [buffer], offset), size, self.name
        )
