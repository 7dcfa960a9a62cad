"""Layers, made from what has changed in a root.

Order and content follow BuildKit's layers: the order of a walk, every member's parents before it, hard links
within the layer as links to the first of them, whole seconds.
"""

import heapq
import os
import posixpath
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from yadokari_builder.layers.boundary import Boundary
from yadokari_builder.layers.changes import Changes, walk_key
from yadokari_builder.layers.compression import DEFAULT_COMPRESSION, Compression
from yadokari_builder.layers.layer_file import LayerFile, Watch
from yadokari_builder.layers.tar_member import Kind, Member
from yadokari_builder.layers.tar_writer import format_header
from yadokari_builder.layers.xattrs import read_xattrs
from yadokari_builder.oci.layer import Layer

_SECOND = 1_000_000_000
_OPAQUE = ".wh..wh..opq"
_WHITEOUT = ".wh."
_KINDS = {
    stat.S_IFREG: Kind.FILE,
    stat.S_IFLNK: Kind.LINK,
    stat.S_IFDIR: Kind.DIRECTORY,
    stat.S_IFCHR: Kind.CHARACTER_DEVICE,
    stat.S_IFBLK: Kind.BLOCK_DEVICE,
    stat.S_IFIFO: Kind.FIFO,
}


@dataclass(frozen=True, slots=True)
class PackedLayer:
    """A layer in a file of its own."""

    layer: Layer
    path: Path


@dataclass(frozen=True, slots=True)
class Entry:
    """A member to be: where it lands (an in-root path), what on the host it is made from, and what it is.

    Without a source it is a directory of root's. `owner` and `mode` take the place of the source's own.
    """

    path: str
    source: str | None = None
    owner: tuple[int, int] | None = None
    mode: int | None = None


@dataclass(frozen=True, slots=True)
class _Whiteout:
    path: str


def pack(
    changes: Changes,
    boundary: Boundary,
    directory: Path,
    *,
    extra: Iterable[Entry] = (),
    compression: Compression = DEFAULT_COMPRESSION,
    timestamp: int | None = None,
    watch: Watch | None = None,
) -> PackedLayer:
    """Write a layer of what has changed in a root to a new file in `directory`.

    `extra` are entries beside, in the order of a walk: what is not in the root, or excluded. `timestamp`
    (seconds since the epoch) is the latest time that a member may have: SOURCE_DATE_EPOCH. `watch` is told
    of a large layer's file before it is complete.
    Raises BuilderError if a file shrinks meanwhile.
    """
    changed: Iterator[Entry | _Whiteout] = (Entry(path, boundary.host(path)) for path in changes.changed)
    deleted = (_Whiteout(path) for path in changes.deleted)
    entries = heapq.merge(changed, deleted, extra, key=lambda entry: walk_key(entry.path))
    return _Packing(boundary, timestamp, changes.opaque).run(entries, directory, compression, watch)


def pack_paths(
    paths: Iterable[str],
    boundary: Boundary,
    directory: Path,
    *,
    extra: Iterable[Entry] = (),
    compression: Compression = DEFAULT_COMPRESSION,
    timestamp: int | None = None,
    watch: Watch | None = None,
) -> PackedLayer:
    """Write a layer of in-root paths as they stand in the root; directories by themselves, not their trees.

    What is excluded is left out, and so is the root itself, for which no layer has an entry. `extra` are
    entries beside, in any order. See `pack`.
    """
    wanted = {path for path in paths if path != "/" and not boundary.is_excluded(path)}
    entries = [*(Entry(path, boundary.host(path)) for path in wanted), *extra]
    entries.sort(key=lambda entry: walk_key(entry.path))
    return pack_entries(
        entries, boundary, directory, compression=compression, timestamp=timestamp, watch=watch
    )


def pack_entries(
    entries: Iterable[Entry],
    boundary: Boundary,
    directory: Path,
    *,
    compression: Compression = DEFAULT_COMPRESSION,
    timestamp: int | None = None,
    watch: Watch | None = None,
) -> PackedLayer:
    """Write a layer of entries whose content may stand elsewhere than where they land, in the order given.

    Parents that are not among them are taken from the root, or made up (root's, 0755) where it has none or
    they are excluded. See `pack`.
    """
    return _Packing(boundary, timestamp, frozenset()).run(entries, directory, compression, watch)


class _Packing:
    """One layer being written."""

    def __init__(self, boundary: Boundary, timestamp: int | None, opaque: frozenset[str]) -> None:
        self._boundary = boundary
        self._latest = None if timestamp is None else timestamp * _SECOND
        self._opaque = opaque
        self._parents = {"/"}
        # The first name of every file that has more than one, by device and inode.
        self._links: dict[tuple[int, int], str] = {}

    def run(
        self,
        entries: Iterable[Entry | _Whiteout],
        directory: Path,
        compression: Compression,
        watch: Watch | None,
    ) -> PackedLayer:
        with LayerFile(directory, compression, watch) as self._output:
            for entry in entries:
                if isinstance(entry, Entry):
                    self._add(entry)
                else:
                    self._add_whiteout(entry.path)
            layer = self._output.finish()
        return PackedLayer(layer, self._output.path)

    def _add(self, entry: Entry) -> None:
        self._add_parents(entry.path)
        status = None if entry.source is None else os.lstat(entry.source)
        if status is not None and stat.S_ISSOCK(status.st_mode):
            return
        member = self._member(entry, status)
        self._output.write(format_header(member))
        if member.size and entry.source is not None:
            self._output.write_file(entry.source, member.size)
        if member.kind is Kind.DIRECTORY:
            self._parents.add(entry.path)
            if entry.path in self._opaque:
                self._output.write(_whiteout(entry.path, _OPAQUE))

    def _add_parents(self, path: str) -> None:
        parent = path.rpartition("/")[0] or "/"
        if parent in self._parents:
            return
        source: str | None = self._boundary.host(parent)
        if self._boundary.is_excluded(parent) or not os.path.isdir(source or ""):
            source = None
        self._add(Entry(parent, source))

    def _add_whiteout(self, path: str) -> None:
        self._add_parents(path)
        parent, name = posixpath.split(path)
        self._output.write(_whiteout(parent, _WHITEOUT + name))

    def _member(self, entry: Entry, status: os.stat_result | None) -> Member:
        name = entry.path[1:]
        if status is None or entry.source is None:
            uid, gid = entry.owner or (0, 0)
            return Member(f"{name}/", Kind.DIRECTORY, entry.mode or 0o755, uid, gid, 0, self._latest or 0)
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
        uid, gid = entry.owner or (status.st_uid, status.st_gid)
        return Member(
            name,
            kind,
            stat.S_IMODE(status.st_mode) if entry.mode is None else entry.mode,
            uid,
            gid,
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


def _whiteout(directory: str, name: str) -> bytes:
    """Return a whiteout: an empty file with neither mode nor time, as containerd writes it."""
    path = posixpath.join(directory, name)[1:]
    return format_header(Member(path, Kind.FILE, 0, 0, 0, 0, 0))
