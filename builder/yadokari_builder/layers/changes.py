"""Changes between two snapshots, as a layer records them.

What counts is what BuildKit's differ for overlay records: a directory is in a layer for its own metadata or
for what changed below it, not because a file came and went.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass

from yadokari_builder.layers.boundary import Boundary
from yadokari_builder.layers.snapshot import FileMetadata, Snapshot
from yadokari_builder.layers.xattrs import list_xattrs

_NOTHING: dict[str, FileMetadata] = {}
_CTIME = FileMetadata._fields.index("ctime_ns")


@dataclass(frozen=True, slots=True)
class Changes:
    """What differs between two snapshots: in-root paths in the order of a walk (by bytes, parents first).

    `changed` is new or other than it was, `deleted` is gone (the topmost path only), `opaque` are directories
    that were deleted and made anew, so that nothing older below them shows through.
    """

    changed: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    opaque: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.changed or self.deleted)


def compare(before: Snapshot, after: Snapshot, boundary: Boundary) -> Changes:
    """Return what a step has changed between two snapshots of a boundary's root."""
    return _Comparison(before, after, boundary).run()


class _Comparison:
    def __init__(self, before: Snapshot, after: Snapshot, boundary: Boundary) -> None:
        self._before = before.directories
        self._after = after.directories
        self._boundary = boundary
        self._changed: list[str] = []
        self._deleted: list[str] = []
        self._opaque: set[str] = set()

    def run(self) -> Changes:
        walk = [self._directory("/", fresh=False)]
        while walk:
            following = next(walk[-1], None)
            if following is None:
                walk.pop()
            else:
                walk.append(self._directory(following[0], fresh=following[1]))
        self._deleted.sort(key=walk_key)
        return Changes(tuple(self._changed), tuple(self._deleted), frozenset(self._opaque))

    def _directory(self, path: str, *, fresh: bool) -> Iterator[tuple[str, bool]]:
        """Record a directory's entries; give those that are directories, and whether all in them is new.

        Giving one directory before the next entry is looked at keeps the order of a walk.
        """
        prefix = "" if path == "/" else path
        now = self._after[path]
        then = None if fresh else self._before.get(path)
        if then is not None and now == then:
            yield from ((f"{prefix}/{name}", False) for name in now.directory_names())
            return
        old = then.entries() if then is not None else _NOTHING
        new = now.entries()
        self._deleted += [f"{prefix}/{name}" for name in old if name not in new]
        for name, metadata in new.items():
            below = f"{prefix}/{name}"
            previous = old.get(name)
            if previous is None or self._differs(below, previous, metadata):
                self._changed.append(below)
            if metadata.is_directory and below in self._after:
                yield below, self._is_fresh(below, previous, metadata)

    def _is_fresh(self, path: str, old: FileMetadata | None, new: FileMetadata) -> bool:
        """Tell whether a directory is not the one that was there, which then must not show through."""
        if old is not None and old.is_directory:
            if old.inode == new.inode:
                return False
            if len(self._before[path]):
                self._opaque.add(path)
        return True

    def _differs(self, path: str, old: FileMetadata, new: FileMetadata) -> bool:
        if old == new:
            return False
        if new.is_directory:
            return _directory_differs(old, new)
        if old.links != new.links and old[:_CTIME] == new[:_CTIME]:
            # Another name came or went, which is no change of this one: `rm` of a package cache must not put
            # everything linked from it into the layer again. Attributes may have been set as well; content of
            # the same size put in with the old time set back, in the same step, is what stays unseen here.
            return bool(list_xattrs(self._boundary.host(path)))
        return True


def _directory_differs(old: FileMetadata, new: FileMetadata) -> bool:
    """Compare directories but for what entries that come and go leave on them.

    Those set both times to the same clock; only somebody who sets a time or an attribute sets one alone.
    """
    if (old.inode, old.mode, old.owner) != (new.inode, new.mode, new.owner):
        return True
    if old.ctime_ns == new.ctime_ns:
        return False
    return new.mtime_ns != new.ctime_ns


def walk_key(path: str) -> bytes:
    """Return what in-root paths are sorted by to be in the order of a walk."""
    return os.fsencode(path).replace(b"/", b"\0")
