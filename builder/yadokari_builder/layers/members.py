"""Members of a layer, made from what has changed in a root.

Order and content follow BuildKit's layers: the order of a walk, every member's parents before it, hard links
within the layer as links to the first of them, whole seconds.
"""

import heapq
import itertools
import os
import posixpath
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from yadokari_builder.layers.changes import Changes, walk_key
from yadokari_builder.layers.layer_file import Content, LayerFile
from yadokari_builder.layers.tar_member import WHITEOUT, Kind, Member
from yadokari_builder.rootfs.boundary import Boundary
from yadokari_builder.rootfs.paths import parents
from yadokari_builder.rootfs.xattrs import read_xattrs

_SECOND = 1_000_000_000
_KINDS = {
    stat.S_IFREG: Kind.FILE,
    stat.S_IFLNK: Kind.LINK,
    stat.S_IFDIR: Kind.DIRECTORY,
    stat.S_IFCHR: Kind.CHARACTER_DEVICE,
    stat.S_IFBLK: Kind.BLOCK_DEVICE,
    stat.S_IFIFO: Kind.FIFO,
}

Members = Iterable[tuple[Member, Content | None]]
"""Members in the order that they have in the archive, each that has some with its content."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A member to be: where it lands (an in-root path), what on the host it is made from, and what it is.

    Without a source it is a directory of root's.
    """

    path: str
    source: str | None = None


@dataclass(frozen=True, slots=True)
class FileContent:
    """The content of a file that is as it should be until it has been packed."""

    path: str

    def write_to(self, layer: LayerFile, size: int) -> int:
        """Write the first `size` bytes into a layer and return their CRC-32."""
        file = self.open()
        try:
            return layer.write_file(lambda buffer, offset: os.preadv(file, [buffer], offset), size, self.path)
        finally:
            os.close(file)

    def open(self) -> int:
        """Open the file for reading."""
        return os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)


@dataclass(frozen=True, slots=True)
class _Whiteout:
    path: str


def members_of_changes(
    changes: Changes, boundary: Boundary, *, extra: Iterable[Entry] = (), timestamp: int | None = None
) -> Members:
    """Yield the members of a layer of what has changed in a root.

    `extra` are entries beside, in the order of a walk: what is not in the root, or excluded. `timestamp`
    (seconds since the epoch) is the latest time that a member may have: SOURCE_DATE_EPOCH.
    """
    changed: Iterator[Entry | _Whiteout] = (Entry(path, boundary.host(path)) for path in changes.changed)
    deleted = (_Whiteout(path) for path in changes.deleted)
    entries = heapq.merge(changed, deleted, extra, key=lambda entry: walk_key(entry.path))
    return _Gathering(boundary, timestamp).run(entries)


def members_of_paths(
    paths: Iterable[str],
    boundary: Boundary,
    *,
    extra: Iterable[Entry] = (),
    timestamp: int | None = None,
) -> Members:
    """Yield the members of a layer of paths as they stand in the root; folders without what is in them.

    What is excluded is left out, and so is the root itself, for which no layer has an entry. `extra` are
    entries beside, in any order, whose content may stand elsewhere than where they land. Parents that are not
    among them are taken from the root, or made up (root's, 0755) where it has none or they are excluded.
    """
    wanted = {path for path in paths if path != "/" and not boundary.is_excluded(path)}
    entries = [*(Entry(path, boundary.host(path)) for path in wanted), *extra]
    entries.sort(key=lambda entry: walk_key(entry.path))
    return _Gathering(boundary, timestamp).run(entries)


class _Gathering:
    """The members of one layer."""

    def __init__(self, boundary: Boundary, timestamp: int | None) -> None:
        self._boundary = boundary
        self._latest = None if timestamp is None else timestamp * _SECOND
        self._parents = {"/"}
        # The first name of every file that has more than one, by device and inode.
        self._links: dict[tuple[int, int], str] = {}

    def run(self, entries: Iterable[Entry | _Whiteout]) -> Members:
        for entry in entries:
            if isinstance(entry, Entry):
                yield from self._add(entry)
            else:
                yield from self._add_whiteout(entry.path)

    def _add(self, entry: Entry) -> Members:
        yield from self._add_parents(entry.path)
        yield from self._add_alone(entry)

    def _add_alone(self, entry: Entry) -> Members:
        status = None if entry.source is None else os.lstat(entry.source)
        if status is not None and stat.S_ISSOCK(status.st_mode):
            return
        member = self._member(entry, status)
        yield member, FileContent(entry.source) if member.size and entry.source else None
        if member.kind is Kind.DIRECTORY:
            self._parents.add(entry.path)

    def _add_parents(self, path: str) -> Members:
        missing = [*itertools.takewhile(lambda parent: parent not in self._parents, parents(path))]
        for parent in reversed(missing):
            host = self._boundary.host(parent)
            is_there = not self._boundary.is_excluded(parent) and os.path.isdir(host)
            yield from self._add_alone(Entry(parent, host if is_there else None))

    def _add_whiteout(self, path: str) -> Members:
        yield from self._add_parents(path)
        parent, name = posixpath.split(path)
        yield _whiteout(parent, WHITEOUT + name), None

    def _member(self, entry: Entry, status: os.stat_result | None) -> Member:
        name = entry.path[1:]
        if status is None or entry.source is None:
            return Member(f"{name}/", Kind.DIRECTORY, 0o755, 0, 0, 0, self._latest or 0)
        kind = _KINDS[stat.S_IFMT(status.st_mode)]
        size, link = 0, ""
        if status.st_nlink > 1 and kind is not Kind.DIRECTORY:
            first = self._links.setdefault((status.st_dev, status.st_ino), name)
            if first != name:
                kind, link = Kind.HARD_LINK, first
        if kind is Kind.FILE:
            size = status.st_size
        elif kind is Kind.LINK:
            link = os.readlink(entry.source)
        elif kind is Kind.DIRECTORY:
            name += "/"
        return Member(
            name,
            kind,
            stat.S_IMODE(status.st_mode),
            status.st_uid,
            status.st_gid,
            size,
            self._bounded(status.st_mtime_ns),
            link,
            _device(status),
            {} if kind is Kind.LINK else read_xattrs(entry.source),
        )

    def _bounded(self, mtime_ns: int) -> int:
        return mtime_ns if self._latest is None else min(mtime_ns, self._latest)


def _device(status: os.stat_result) -> tuple[int, int]:
    return (os.major(status.st_rdev), os.minor(status.st_rdev)) if status.st_rdev else (0, 0)


def _whiteout(directory: str, name: str) -> Member:
    """Return a whiteout: an empty file with neither mode nor time, as containerd writes it."""
    return Member(posixpath.join(directory, name)[1:], Kind.FILE, 0, 0, 0, 0, 0)
