"""Snapshots of a root: the metadata of everything in it, taken in one walk."""

import os
import stat
import time
from array import array
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import NamedTuple

from yadokari_builder.layers.fingerprints import checksum, crc32
from yadokari_builder.rootfs.boundary import Boundary
from yadokari_builder.rootfs.paths import parents
from yadokari_builder.rootfs.xattrs import read_xattrs

_MASK = (1 << 64) - 1
_TICK_SECONDS = 0.001
# clock_gettime(2): the clock that stamps files. The time module has no name for it.
_CLOCK_REALTIME_COARSE = 5
# A stamp that is further ahead than this was made under another clock, and waiting for it is in vain.
_PATIENCE_NS = 1_000_000_000


class FileMetadata(NamedTuple):
    """What tells whether an entry has changed.

    `owner` is the user in the lower, the group in the upper 32 bits; `size` of a device is its number, of a
    directory a checksum of its extended attributes, of a link one of its target. Times are in nanoseconds
    since the epoch, modulo 2**64.
    """

    inode: int
    mode: int
    owner: int
    size: int
    mtime_ns: int
    ctime_ns: int
    links: int

    @property
    def is_directory(self) -> bool:
        """Whether this is a directory's."""
        return stat.S_ISDIR(self.mode)

    @property
    def is_regular(self) -> bool:
        """Whether this is a regular file's."""
        return stat.S_ISREG(self.mode)

    @property
    def is_link(self) -> bool:
        """Whether this is a link's."""
        return stat.S_ISLNK(self.mode)


# Numbers in a list take many times what they take in an array.
_AT_ONCE = 1000
_FIELDS = len(FileMetadata._fields)
_MODE = FileMetadata._fields.index("mode")
_LINKS = FileMetadata._fields.index("links")


@dataclass(frozen=True, slots=True)
class Directory:
    """The entries of one directory by name, in the order of the names' bytes.

    Kept as joined names and one array of numbers: some 75 bytes an entry, where a dict of tuples takes 500.
    """

    joined_names: bytes
    numbers: "array[int]"

    def __len__(self) -> int:
        return len(self.numbers) // _FIELDS

    def __iter__(self) -> Iterator[tuple[bytes, FileMetadata]]:
        if self.numbers:
            fields = iter(self.numbers)
            metadata = map(FileMetadata._make, zip(*[fields] * _FIELDS, strict=True))
            yield from zip(self.joined_names.split(b"/"), metadata, strict=True)

    def directory_names(self) -> list[str]:
        """Return the names of the entries that are directories."""
        are_directories = [mode & 0o170000 == 0o040000 for mode in self.numbers[_MODE::_FIELDS]]
        if not any(are_directories):
            return []
        names = os.fsdecode(self.joined_names).split("/")
        return [name for name, is_directory in zip(names, are_directories, strict=True) if is_directory]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Every directory of a root by its in-root path; `newest_ns` is the stamp of the last change in it."""

    directories: Mapping[str, Directory]
    newest_ns: int

    def __len__(self) -> int:
        return sum(len(directory) for directory in self.directories.values())

    def names_of(self, inodes: AbstractSet[int]) -> Iterator[str]:
        """Yield the in-root paths of files, folders not among them, by their inodes."""
        for parent, directory in self.directories.items():
            if not inodes.isdisjoint(directory.numbers[::_FIELDS]):
                for name, metadata in directory:
                    if metadata.inode in inodes and not metadata.is_directory:
                        yield f"{parent.rstrip('/')}/{os.fsdecode(name)}"

    def linked(self) -> list[list[str]]:
        """List the in-root paths of each file that has more names than one here."""
        names: dict[FileMetadata, list[str]] = {}
        for parent, directory in self.directories.items():
            if any(links > 1 for links in directory.numbers[_LINKS::_FIELDS]):
                for name, metadata in directory:
                    if metadata.links > 1 and not metadata.is_directory:
                        names.setdefault(metadata, []).append(f"{parent.rstrip('/')}/{os.fsdecode(name)}")
        return [paths for paths in names.values() if len(paths) > 1]

    def find(self, paths: Iterable[str]) -> dict[str, FileMetadata]:
        """Return the metadata of those in-root paths that are there, by path."""
        names: dict[str, set[str]] = {}
        for path in paths:
            parent, _, name = path.rpartition("/")
            names.setdefault(parent, set()).add(name)
        return {
            f"{parent}/{os.fsdecode(name)}": metadata
            for parent, wanted in names.items()
            for name, metadata in self.directories.get(parent or "/", ())
            if os.fsdecode(name) in wanted
        }


def take(boundary: Boundary) -> Snapshot:
    """Return the metadata of everything in a root but what is excluded and the root itself."""
    directories: dict[str, Directory] = {}
    newest = _walk(boundary, "/", directories)
    return Snapshot(directories, newest)


def refreshed(snapshot: Snapshot, boundary: Boundary, paths: Iterable[str]) -> Snapshot:
    """Return a snapshot with what is at and below `paths` now, and their parents, as `take` would see it.

    For changes whose places are known: only the directories on the way and the trees below are read again.
    No part of `paths` may be a link but the last.
    """
    newest = snapshot.newest_ns
    tops = _outermost({_first_missing(boundary, path) for path in paths if not boundary.is_excluded(path)})
    directories = {
        name: directory
        for name, directory in snapshot.directories.items()
        if name not in tops and tops.isdisjoint(parents(name))
    }
    for parent in {parent for path in tops for parent in parents(path)}:
        directories[parent], _, stamp = _scan(boundary, parent)
        newest = max(newest, stamp)
    for path in tops:
        if is_directory(boundary, path):
            newest = max(newest, _walk(boundary, path, directories))
    return Snapshot(directories, newest)


def retaken(snapshot: Snapshot, boundary: Boundary, touched: AbstractSet[str]) -> Snapshot | None:
    """Return what `take` would, where nothing has changed but in the directories `touched`.

    Directories may be gone, which is a change in the one above. Where one has come, or where a file that has
    changed has names elsewhere, this returns None. Which names files had meanwhile nobody sees here.
    """
    return _Again(snapshot, boundary).run(touched)


def is_directory(boundary: Boundary, path: str) -> bool:
    """Tell whether there is a directory at an in-root path, and no link."""
    try:
        return stat.S_ISDIR(os.lstat(boundary.host(path)).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def settle(snapshot: Snapshot) -> None:
    """Wait until the file system's clock is past a snapshot's last stamp, a few milliseconds at most.

    Stamps are as coarse as the kernel's tick: a change within the tick of the last stamp could look as if it
    had been there before (compare git's "racy" index).
    """
    while 0 <= snapshot.newest_ns - _now_ns() < _PATIENCE_NS:
        time.sleep(_TICK_SECONDS)


def _now_ns() -> int:
    return time.clock_gettime_ns(_CLOCK_REALTIME_COARSE)


def _walk(boundary: Boundary, top: str, directories: dict[str, Directory]) -> int:
    newest = 0
    pending = [top]
    while pending:
        path = pending.pop()
        directories[path], below, stamp = _scan(boundary, path)
        newest = max(newest, stamp)
        prefix = path.rstrip("/")
        pending += [f"{prefix}/{name}" for name in below]
    return newest


def _scan(boundary: Boundary, path: str) -> tuple[Directory, list[str], int]:
    """Return a directory, the names of the directories in it, and the newest change in it."""
    host = os.fsencode(boundary.host(path))
    names = sorted(os.listdir(host))
    if path == "/" or boundary.has_excluded_below(path):
        prefix = path.rstrip("/")
        names = [name for name in names if f"{prefix}/{os.fsdecode(name)}" not in boundary.excluded]
    # By a descriptor the way to a folder is gone once, and not again for each entry.
    folder = os.open(host, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return _read(host.rstrip(b"/") + b"/", folder, names)
    finally:
        os.close(folder)


def _read(prefix: bytes, folder: int, names: list[bytes]) -> tuple[Directory, list[str], int]:
    array_of_numbers = array("Q")
    below = []
    newest = 0
    for start in range(0, len(names), _AT_ONCE):
        numbers: list[int] = []
        for name in names[start : start + _AT_ONCE]:
            status = os.stat(name, dir_fd=folder, follow_symlinks=False)
            mode = status.st_mode
            changed = status.st_ctime_ns
            size = status.st_rdev or status.st_size
            if mode & 0o170000 == 0o040000:
                below.append(os.fsdecode(name))
                size = checksum(0, read_xattrs(os.fsdecode(prefix + name)))
            elif mode & 0o170000 == 0o120000:
                size = crc32(os.readlink(name, dir_fd=folder))
            numbers += (
                status.st_ino,
                mode,
                status.st_gid << 32 | status.st_uid,
                size,
                status.st_mtime_ns & _MASK,
                changed & _MASK,
                status.st_nlink,
            )
            newest = max(newest, changed)
        array_of_numbers.extend(numbers)
    return Directory(b"/".join(names), array_of_numbers), below, newest


class _Again:
    """Takes a snapshot with the help of one before."""

    def __init__(self, before: Snapshot, boundary: Boundary) -> None:
        self._before = before.directories
        self._directories = dict(before.directories)
        self._newest = before.newest_ns
        self._boundary = boundary
        self._gone: set[str] = set()
        # Files with several names that were or are other than before: known names, and how many it has.
        self._linked_before: dict[int, list[int]] = {}
        self._linked: dict[int, list[int]] = {}

    def run(self, touched: AbstractSet[str]) -> Snapshot | None:
        # Parents first: what is below a directory that is gone is not looked for.
        for path in sorted(touched & self._before.keys()):
            if self._gone.isdisjoint((path, *parents(path))) and not self._look_again(path):
                return None
        if self._gone:
            self._drop_gone()
        files = (*self._linked_before.values(), *self._linked.values())
        if any(names < links for names, links in files):
            return None
        return Snapshot(self._directories, self._newest)

    def _look_again(self, path: str) -> bool:
        """Read a directory again; tells whether all directories in it are known."""
        then = self._before[path]
        self._directories[path], below, stamp = _scan(self._boundary, path)
        self._newest = max(self._newest, stamp)
        now = self._directories[path]
        if now != then:
            before, after = _linked(then), _linked(now)
            _count(before - after, self._linked_before)
            _count(after - before, self._linked)
            old, new = _inodes_of_directories(then), _inodes_of_directories(now)
            if any(old.get(name) != new[name] for name in below):
                return False
            self._gone.update(f"{path.rstrip('/')}/{name}" for name in old.keys() - new.keys())
        return True

    def _drop_gone(self) -> None:
        for path, directory in self._before.items():
            if not self._gone.isdisjoint((path, *parents(path))):
                _count(_linked(directory), self._linked_before)
                del self._directories[path]


def _linked(directory: Directory) -> set[tuple[bytes, FileMetadata]]:
    """Return the files that have several names, here or elsewhere."""
    if all(links <= 1 for links in directory.numbers[_LINKS::_FIELDS]):
        return set()
    return {entry for entry in directory if entry[1].links > 1 and not entry[1].is_directory}


def _count(linked: Iterable[tuple[bytes, FileMetadata]], counts: dict[int, list[int]]) -> None:
    """Add to the numbers of known names by inode, beside which there is the number of names."""
    for _, metadata in linked:
        counts.setdefault(metadata.inode, [0, metadata.links])[0] += 1


def _inodes_of_directories(directory: Directory) -> dict[str, int]:
    return {os.fsdecode(name): metadata.inode for name, metadata in directory if metadata.is_directory}


def _first_missing(boundary: Boundary, path: str) -> str:
    """Return the topmost part of a path that is no directory, or the path."""
    parts = [*reversed([*parents(path)]), path]
    return next((part for part in parts if not is_directory(boundary, part)), path)


def _outermost(paths: set[str]) -> set[str]:
    """Return the paths that lie below no other of them."""
    return {path for path in paths if paths.isdisjoint(parents(path))}
