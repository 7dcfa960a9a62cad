"""Changes between two snapshots, as a layer records them.

What counts is what BuildKit's differ for overlay records (util/overlay): a directory is in a layer for its
own metadata or for what changed below it, not because a file came and went. What was deleted and made anew is
compared with what it was, a directory entry by entry: whether it got its old inode again is chance.
"""

import os
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

from yadokari_builder.layers.fingerprints import checksum_of_file
from yadokari_builder.layers.snapshot import Directory, FileMetadata, Snapshot
from yadokari_builder.rootfs.boundary import Boundary

_MTIME = FileMetadata._fields.index("mtime_ns")
# Mode, owner, size and time; and all of these but the time.
_KEPT = slice(FileMetadata._fields.index("mode"), _MTIME + 1)
_KEPT_OF_DIRECTORY = slice(_KEPT.start, _MTIME)


@dataclass(frozen=True, slots=True)
class Changes:
    """What differs between two snapshots: in-root paths in the order of a walk (by bytes, parents first).

    `changed` is new or other than it was, `deleted` is gone (the topmost path only).
    """

    changed: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.changed or self.deleted)


Checksums = Callable[[Collection[str]], Mapping[str, int]]
"""Tells the checksums that files had before, as far as they are known (see `Fingerprints`)."""


def compare(before: Snapshot, after: Snapshot, boundary: Boundary, checksums: Checksums) -> Changes:
    """Return what a step has changed between two snapshots of a boundary's root.

    Files that only seem to have changed are read, if `checksums` tells what they held before; else they
    count as changed.
    """
    return _Comparison(before, after, boundary).run(checksums)


class _Comparison:
    def __init__(self, before: Snapshot, after: Snapshot, boundary: Boundary) -> None:
        self._now = after
        self._newest_before = before.newest_ns
        self._before = before.directories
        self._after = after.directories
        self._boundary = boundary
        self._changed: list[str] = []
        self._deleted: list[str] = []
        self._doubtful: set[str] = set()
        # Files with several names that are new, or seem to have changed.
        self._linked: dict[str, FileMetadata] = {}
        # Of files that have or had several names: what became of an inode, and the other way round.
        self._became: dict[int, int] = {}
        self._was: dict[int, int] = {}

    def run(self, checksums: Checksums) -> Changes:
        walk = [self._directory("/")]
        while walk:
            following = next(walk[-1], None)
            if following is None:
                walk.pop()
            else:
                walk.append(self._directory(following))
        self._deleted.sort(key=walk_key)
        untouched = self._untouched(checksums) if self._doubtful else frozenset[str]()
        names = self._names_of_linked(untouched) if self._linked else frozenset[str]()
        changed = [path for path in self._changed if path not in untouched or path in names]
        if unnoticed := names.difference(changed):
            changed = sorted([*changed, *unnoticed], key=walk_key)
        return Changes(tuple(changed), tuple(self._deleted))

    def _untouched(self, checksums: Checksums) -> frozenset[str]:
        """Return the doubtful files that hold what they held before."""
        known = checksums(self._doubtful)
        return frozenset(
            path
            for path, checksum in known.items()
            if checksum == checksum_of_file(self._boundary.host(path))
        )

    def _names_of_linked(self, untouched: Collection[str]) -> frozenset[str]:
        """Return all names of files of which one is to be in the layer.

        That they are one file a layer tells only of names that it has, and who writes to one of them later
        writes to the others. In a folder that was moved a name is new though nothing else of the file is.
        """
        changed = {new.inode: new.links for path, new in self._linked.items() if path not in untouched}
        names = [path for path, new in self._linked.items() if new.inode in changed]
        known = Counter(self._linked[path].inode for path in names)
        elsewhere = {inode for inode, links in changed.items() if known[inode] < links}
        return frozenset([*names, *(self._now.names_of(elsewhere) if elsewhere else ())])

    def _directory(self, path: str) -> Iterator[str]:
        """Record a directory's entries; give those that are directories.

        Giving one directory before the next entry is looked at keeps the order of a walk.
        """
        prefix = "" if path == "/" else path
        now, then = self._after[path], self._before.get(path)
        if now == then:
            yield from (f"{prefix}/{name}" for name in now.directory_names())
            return
        for name, old, new in _paired(then, now):
            below = f"{prefix}/{os.fsdecode(name)}"
            if new is None:
                self._deleted.append(below)
                continue
            if old is None or self._differs(below, old, new):
                self._changed.append(below)
                if new.links > 1 and not new.is_directory:
                    self._linked[below] = new
            if new.is_directory and below in self._after:
                yield below

    def _differs(self, path: str, old: FileMetadata, new: FileMetadata) -> bool:
        if old == new:
            return False
        if new.is_directory:
            return old[_KEPT_OF_DIRECTORY] != new[_KEPT_OF_DIRECTORY] or self._is_time_set(old, new)
        if old[_KEPT] != new[_KEPT] or not self._has_its_names(old, new):
            return True
        if new.is_regular:
            self._doubtful.add(path)
        return not new.is_link

    def _is_time_set(self, old: FileMetadata, new: FileMetadata) -> bool:
        """Tell whether somebody has set a directory's time, and not an entry that came or went.

        Entries set it to when that was: after the first snapshot, and not after the directory's last change.
        """
        return old.mtime_ns != new.mtime_ns and not self._newest_before < new.mtime_ns <= new.ctime_ns

    def _has_its_names(self, old: FileMetadata, new: FileMetadata) -> bool:
        """Tell whether a file is one with those names that it was one with before, as far as was seen yet."""
        if old.links == new.links == 1:
            return True
        became = self._became.setdefault(old.inode, new.inode)
        was = self._was.setdefault(new.inode, old.inode)
        return became == new.inode and was == old.inode


def _paired(
    before: Directory | None, after: Directory
) -> Iterator[tuple[bytes, FileMetadata | None, FileMetadata | None]]:
    """Yield the names of two lists of entries in their order, with the entry of each that has one."""
    olds = iter(before or ())
    old = next(olds, None)
    for name, new in after:
        while old and old[0] < name:
            yield *old, None
            old = next(olds, None)
        if old and old[0] == name:
            yield name, old[1], new
            old = next(olds, None)
        else:
            yield name, None, new
    while old:
        yield *old, None
        old = next(olds, None)


def walk_key(path: str) -> bytes:
    """Return what in-root paths are sorted by to be in the order of a walk."""
    return os.fsencode(path).replace(b"/", b"\0")
