"""A cache as an archive, to be kept elsewhere: `content`, and in `used` when each file was last read.

Archives of what little has changed since may follow it; the last one's `used` has all files that are left.
See `unbundle` for how they are unpacked.
"""

import io
import os
import stat
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import BinaryIO, cast

from yadokari_builder.cache.mounts.contents import Contents, Found, State, inode, stamp
from yadokari_builder.cache.mounts.unbundle import CONTENT, LONGEST_LIST, USED, Unbundling
from yadokari_builder.dockerfile.quoting import printable
from yadokari_builder.errors import BuilderError, ImageInvalidError
from yadokari_builder.layers.allowance import Allowance
from yadokari_builder.layers.compression import Compression, CompressionKind, decompress
from yadokari_builder.layers.fingerprints import crc32
from yadokari_builder.layers.layer_file import Content, LayerFile
from yadokari_builder.layers.leaks import NOTHING, Sought
from yadokari_builder.layers.members import Entry, members_of_paths
from yadokari_builder.layers.pack import PackedLayer, pack
from yadokari_builder.layers.streams import Readable, ThreadedReader
from yadokari_builder.layers.tar_member import BLOCK, Kind, Member
from yadokari_builder.rootfs.boundary import Boundary
from yadokari_builder.rootfs.paths import parents
from yadokari_builder.rootfs.tree import discard

# Bytes that an archive may have beside what is counted: long names, and the list.
_BESIDE = 64 << 20
_SECOND = 1_000_000_000
# Of caches the speed counts: most of what they hold is compressed already.
_COMPRESSION = Compression(CompressionKind.ZSTD, 1)
_TOP = f"/{CONTENT}"
# How much smaller than all that is there what has changed is, to be an archive of its own: seven such, as
# many as a place takes, are less than half as much again, of what may be unpacked, too.
_WORTH_ADDING = 16


@dataclass(frozen=True, slots=True)
class Bundle:
    """An archive of a cache, or one that `adds` to earlier ones, and how many files were too many."""

    packed: PackedLayer
    dropped: int
    adds: bool = False


def pack_bundle(
    contents: Contents,
    limit: int,
    work: Path,
    beat: Callable[[], None],
    sought: Sought = NOTHING,
    since: State | None = None,
) -> Bundle:
    """Pack what a cache holds, into a nameless file in `work`; nobody may write to it meanwhile.

    Beyond `limit` bytes the files that were used least recently are left out. `since` is what the folder held
    when it was unpacked: if little has changed, that alone is packed. `beat` is called again and again, and
    what it raises gives the packing up. Raises `BuilderError`, also where what is `sought` was found, and
    `OSError`.
    """
    folder = contents.folder
    left_out = _left_out(contents.found, limit)
    kept = [each for each in contents.found if each.path not in left_out]
    used = _Bytes(_format_used(kept))
    added = _added(kept, since, used) if since else None
    chosen = kept if added is None else added
    member = Member(USED, Kind.FILE, 0o600, 0, 0, len(used.data), 0)
    top = Entry(_TOP, f"{folder}/")
    entries = [top, *(Entry(_TOP + each.path, folder + each.path) for each in chosen)]
    first: tuple[Member, Content | None] = (member, used)
    members = chain([first], members_of_paths((), Boundary(Path(folder)), extra=entries))
    packed = pack(members, work, compression=_COMPRESSION, beat=beat, sought=sought)
    for path, status in chosen:
        # That they were read for this is no use of theirs.
        os.utime(folder + path, ns=(status.st_atime_ns, status.st_mtime_ns), follow_symlinks=False)
    for secret, names in packed.leaks.items():
        where = printable(names[0].removeprefix(_TOP[1:]))
        raise BuilderError(f"the value of the secret {printable(secret)} is in it, in {where}")
    return Bundle(packed, len(left_out), adds=added is not None)


def unpack_bundle(archives: Iterable[BinaryIO], folder: str, limit: int, beat: Callable[[], None]) -> State:
    """Unpack the archives of a cache, compressed, the latest first.

    They go to a folder of the host that is not there yet; returns what it holds then. `beat` is called again
    and again, and what it raises gives the unpacking up. Raises `ImageInvalidError` for what is broken, is no
    such archive, is larger than those of `limit` bytes can be or than there is room for, and `OSError`; the
    folder is not there then.
    """
    begun = incoming(folder)
    os.mkdir(begun, 0o700)
    try:
        unbundling = Unbundling(begun, Allowance(Path(begun)))
        left = left_packed = 2 * limit + _BESIDE
        for archive in archives:
            with archive:
                # What comes in is bounded, too: frames without content have no end else.
                packed = _Bounded(archive, left_packed, beat)
                stream = _Bounded(decompress(cast(BinaryIO, packed)), left, beat)
                with closing(ThreadedReader(stream)) as ahead:
                    unbundling.add(cast(BinaryIO, ahead))
            left, left_packed = stream.left, packed.left
        state = unbundling.finish()
        os.rename(begun, folder)
    finally:
        discard(begun)
    return state


def incoming(folder: str) -> str:
    """Name where a folder is at first: who is killed while unpacking leaves it there."""
    return f"{folder}.in"


def _left_out(found: Sequence[Found], limit: int) -> set[str]:
    """Return what goes of too much: what would never fit, then what was used least recently."""
    files = [each for each in found if not each.is_directory]
    left_out = {each.path for each in files if each.size > limit}
    total = sum(each.size for each in found if each.path not in left_out)
    for each in sorted(files, key=lambda file: file.used):
        if total <= limit:
            return left_out
        if each.path not in left_out:
            left_out.add(each.path)
            total -= each.size
    if total > limit:
        raise BuilderError("its folders alone are too many")
    return left_out


def _added(kept: list[Found], since: State, used: "_Bytes") -> list[Found] | None:
    """Return what has to be added to archives of what was there, and the folders above; None for all."""
    left = {each.path for each in kept}
    gone = [mark for path, mark in since.stamps.items() if path not in left]
    files = sum(each.is_file for each in kept)
    # That a file is gone is told by the list of those that are left; nothing tells it of a folder or a link.
    if used.data.count(b"\0") < files or any(not stat.S_ISREG(mode) for mode, *_ in gone):
        return None
    # What is left of a file's names may be a link to one that is gone.
    inodes = {inode(mark) for mark in gone}
    if any(
        each.status.st_nlink > 1 and each.status.st_ino in inodes for each in kept if not each.is_directory
    ):
        return None
    changed = {each.path for each in kept if since.stamps.get(each.path) != stamp(each.status)}
    above = {parent for path in changed for parent in parents(path)}
    added = [each for each in kept if each.path in changed or each.path in above]
    is_little = sum(each.size for each in added) * _WORTH_ADDING <= sum(each.size for each in kept)
    return added if is_little else None


def _format_used(found: Sequence[Found]) -> bytes:
    """Write when files were last used, the latest first: seconds, a blank, the path, a zero."""
    now = time.time_ns()
    lines = []
    size = 0
    for each in sorted((each for each in found if each.is_file), key=lambda file: -file.used):
        line = b"%d %b\0" % (max(0, min(each.used, now)) // _SECOND, os.fsencode(each.path))
        size += len(line)
        if size > LONGEST_LIST:
            break
        lines.append(line)
    return b"".join(lines)


@dataclass(frozen=True, slots=True)
class _Bytes:
    data: bytes

    def write_to(self, layer: LayerFile, size: int) -> int:  # noqa: ARG002
        layer.write(self.data)
        layer.write(bytes(-len(self.data) % BLOCK))
        return crc32(self.data)


class _Bounded(io.RawIOBase):
    """A stream of which no more than `limit` bytes are read, with a `beat` before each read."""

    def __init__(self, stream: Readable, limit: int, beat: Callable[[], None]) -> None:
        self._stream = stream
        self.left = limit
        self._beat = beat

    def read(self, size: int = -1, /) -> bytes:
        self._beat()
        data = self._stream.read(size)
        self.left -= len(data)
        if self.left < 0:
            raise ImageInvalidError("it is larger than --cache-mounts-limit allows")
        return data
