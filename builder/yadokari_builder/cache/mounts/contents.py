"""What a folder of a cache holds, and whether that has changed: by metadata alone, no file is read."""

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from yadokari_builder.layers.tar_member import BLOCK

# Of the 4,096 bytes that the kernel takes, so that it fits wherever a cache is unpacked.
_LONGEST_PATH = 3500
DEEPEST = 64
"""How many folders may lie one in the other: as many are held open while a cache is unpacked."""
_KINDS = frozenset({stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK})

Stamp = tuple[int, ...]
"""What is known of a path: mode, owners, size and time, which a folder has not, inode and ctime."""
# Fields of a stamp that are the same wherever a cache is unpacked; the rest tells that it is the same file.
_LOOK = 5


class Found(NamedTuple):
    """Something in a cache; `path` is that below its folder."""

    path: str
    status: os.stat_result

    @property
    def size(self) -> int:
        """How many bytes it takes in an archive, but for a long name."""
        return BLOCK + (-(-self.status.st_size // BLOCK) * BLOCK if self.is_file else 0)

    @property
    def is_file(self) -> bool:
        """Whether it is a regular file."""
        return stat.S_ISREG(self.status.st_mode)

    @property
    def is_directory(self) -> bool:
        """Whether it is a folder."""
        return stat.S_ISDIR(self.status.st_mode)

    @property
    def used(self) -> int:
        """When it was last read or written, in nanoseconds.

        Where the file system notes no reading (noatime) it is when it was written, or what the list has said.
        """
        return max(self.status.st_atime_ns, self.status.st_mtime_ns)


@dataclass(frozen=True, slots=True)
class State:
    """What a folder holds at a time: the stamp of each path.

    Of its files no change goes unnoticed (inode and ctime), as long as they are where they were unpacked.
    """

    stamps: Mapping[str, Stamp]

    def looks_like(self, other: "State") -> bool:
        """Tell whether names, metadata, sizes and times are the same, by whatever files."""
        mine, theirs = self.stamps, other.stamps
        return mine.keys() == theirs.keys() and all(
            each[:_LOOK] == theirs[path][:_LOOK] for path, each in mine.items()
        )


NOTHING_YET = State({})
"""What an empty folder holds."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a `folder` of the host holds: folders before what is in them, in the same order each time.

    What is neither file, folder nor link is left out, and so is what lies too deep.
    """

    folder: str
    found: Sequence[Found]

    @classmethod
    def of(cls, folder: str) -> "Contents":
        """Look at what is in a folder now."""
        return cls(folder, [*_walk(folder)])

    @property
    def state(self) -> State:
        """What it is to be compared with later."""
        return State({each.path: stamp(each.status) for each in self.found})


def stamp(status: os.stat_result) -> Stamp:
    """Return what a path is known by, the mode first; a folder does not look otherwise for what is in it."""
    size, time = (0, 0) if stat.S_ISDIR(status.st_mode) else (status.st_size, status.st_mtime_ns)
    return (status.st_mode, status.st_uid, status.st_gid, size, time, status.st_ino, status.st_ctime_ns)


def inode(stamp: Stamp) -> int:
    """Return the inode that a stamp has."""
    return stamp[_LOOK]


def _walk(folder: str) -> Iterator[Found]:
    ahead = [""]
    for above in ahead:
        found = _entries(folder, above)
        yield from found
        ahead += [each.path for each in found if each.is_directory]


def _entries(folder: str, above: str) -> list[Found]:
    # Relative to the open folder, so that the kernel does not look all of the way up again for each.
    directory = os.open(f"{folder}{above}/", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with os.scandir(directory) as entries:
            found = [Found(f"{above}/{each.name}", each.stat(follow_symlinks=False)) for each in entries]
    finally:
        os.close(directory)
    return sorted(
        each for each in found if stat.S_IFMT(each.status.st_mode) in _KINDS and not _is_too_deep(each)
    )


def _is_too_deep(each: Found) -> bool:
    depth = each.path.count("/") - (not each.is_directory)
    # Hardly any path is long: a character has four bytes at most.
    is_long = len(each.path) > _LONGEST_PATH // 4 and len(os.fsencode(each.path)) > _LONGEST_PATH
    return depth > DEEPEST or is_long
