"""A cache as an archive, to be kept elsewhere: `content`, and in `used` when each file was last read.

Archives of what little has changed since may follow it; the last one's `used` has all files that are left.
What they hold may be anybody's: they are unpacked as layers are, into a folder of its own, and of what is
there then only files, folders and links stay.
"""

import errno
import io
import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

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
from yadokari_builder.layers.unpack import unpack
from yadokari_builder.rootfs.boundary import Boundary
from yadokari_builder.rootfs.paths import parents
from yadokari_builder.rootfs.tree import discard

_CONTENT = "/content"
_USED = "used"
# Bytes of the list of what was used; who writes more loses the rest.
_LONGEST_LIST = 16 << 20
# Bytes that an archive may have beside what is counted: long names, and the list.
_BESIDE = 64 << 20
# Of the 4,096 bytes that the kernel takes, so that it fits wherever a cache is unpacked.
_LONGEST_PATH = 3500
_SECOND = 1_000_000_000
# Of caches the speed counts: most of what they hold is compressed already.
_COMPRESSION = Compression(CompressionKind.ZSTD, 1)
_KINDS = frozenset({stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK})
# How much smaller than all that is there what has changed is, to be an archive of its own: seven such, as
# many as a place takes, are less than half as much again, of what may be unpacked, too.
_WORTH_ADDING = 16


@dataclass(frozen=True, slots=True)
class Bundle:
    """An archive of a cache, or one that `adds` to earlier ones, and how many files were too many."""

    packed: PackedLayer
    dropped: int
    adds: bool = False


@dataclass(frozen=True, slots=True)
class State:
    """What a folder holds at a time: a digest of names, metadata and sizes, and what each path is known by.

    Of that no change goes unnoticed (inode and ctime), but it tells nothing once it is elsewhere.
    """

    digest: bytes
    stamps: Mapping[str, tuple[int, ...]]


class _Found(NamedTuple):
    """Something in a cache; `path` is that below its folder."""

    path: str
    status: os.stat_result

    @property
    def size(self) -> int:
        """How many bytes it takes in an archive, but for a long name."""
        return BLOCK + (-(-self.status.st_size // BLOCK) * BLOCK if self.is_file else 0)

    @property
    def is_file(self) -> bool:
        return stat.S_ISREG(self.status.st_mode)

    @property
    def is_directory(self) -> bool:
        return stat.S_ISDIR(self.status.st_mode)

    @property
    def stamp(self) -> tuple[int, ...]:
        """What it is known by in its folder, the mode first; a folder is not by what is in it."""
        status = self.status
        if self.is_directory:
            return status.st_mode, status.st_uid, status.st_gid
        return status.st_mode, status.st_ino, status.st_size, status.st_ctime_ns

    @property
    def used(self) -> int:
        """When it was last read or written, in nanoseconds.

        Where the file system notes no reading (noatime) it is when it was written, or what the list has said.
        """
        return max(self.status.st_atime_ns, self.status.st_mtime_ns)


NOTHING_YET = State(sha256().digest(), {})
"""What an empty folder holds."""


def state_of(folder: str) -> State:
    """Return what is in a folder, without reading any file."""
    digest = sha256()
    stamps = {}
    for each in _walk(folder):
        path, status = each
        stamps[path] = each.stamp
        kind = stat.S_IFMT(status.st_mode)
        size = status.st_size if kind != stat.S_IFDIR else 0
        mtime = status.st_mtime_ns if kind != stat.S_IFDIR else 0
        fields = (len(path), status.st_mode, status.st_uid, status.st_gid, size, mtime)
        digest.update(os.fsencode(path) + repr(fields).encode())
    return State(digest.digest(), stamps)


def pack_bundle(
    folder: str,
    limit: int,
    work: Path,
    beat: Callable[[], None],
    sought: Sought = NOTHING,
    since: State | None = None,
) -> Bundle:
    """Pack what a folder holds, into a nameless file in `work`; nobody may write to it meanwhile.

    Beyond `limit` bytes the files that were used least recently are left out. `since` is what the folder held
    when it was unpacked: if little has changed, that alone is packed. `beat` is called again and again, and
    what it raises gives the packing up. Raises `BuilderError`, also where what is `sought` was found, and
    `OSError`.
    """
    found = [*_walk(folder)]
    left_out = _left_out(found, limit)
    kept = [each for each in found if each.path not in left_out]
    used = _Bytes(_format_used(kept))
    added = _added(kept, since, used) if since else None
    chosen = kept if added is None else added
    member = Member(_USED, Kind.FILE, 0o600, 0, 0, len(used.data), 0)
    top = Entry(_CONTENT, f"{folder}/")
    entries = [top, *(Entry(_CONTENT + each.path, folder + each.path) for each in chosen)]
    first: tuple[Member, Content | None] = (member, used)
    members = chain([first], members_of_paths((), Boundary(Path(folder)), extra=entries))
    packed = pack(members, work, compression=_COMPRESSION, beat=beat, sought=sought)
    for path, status in chosen:
        # That they were read for this is no use of theirs.
        os.utime(folder + path, ns=(status.st_atime_ns, status.st_mtime_ns), follow_symlinks=False)
    for secret, names in packed.leaks.items():
        where = printable(names[0].removeprefix(_CONTENT[1:]))
        raise BuilderError(f"the value of the secret {printable(secret)} is in it, in {where}")
    return Bundle(packed, len(left_out), adds=added is not None)


def unpack_bundle(archives: Iterable[BinaryIO], folder: str, limit: int, beat: Callable[[], None]) -> None:
    """Unpack the archives of a cache, compressed, to a folder of the host that is not there yet.

    `beat` is called again and again, and what it raises gives the unpacking up. Raises `ImageInvalidError`
    for what is broken, is no such archive, is larger than those of `limit` bytes can be or than there is room
    for, and `OSError`; the folder is not there then.
    """
    incoming = f"{folder}.in"
    os.mkdir(incoming, 0o700)
    try:
        room, left, number = Allowance(Path(incoming)), 2 * limit + _BESIDE, 0
        for archive in archives:
            number += 1
            with archive:
                stream = _Bounded(decompress(archive), left, beat)
                with closing(ThreadedReader(stream)) as ahead:
                    unpack(cast(BinaryIO, ahead), Boundary(Path(incoming)), whiteouts=False, allowance=room)
            left = stream.left
        if not _is_directory(incoming + _CONTENT):
            raise ImageInvalidError("it is no archive of a cache")
        _settle(incoming + _CONTENT, _read_used(f"{incoming}/{_USED}"), prune=number > 1)
        os.rename(incoming + _CONTENT, folder)
    finally:
        discard(incoming)


def _walk(folder: str) -> Iterator[_Found]:
    """Yield what a folder holds, folders before what is in them, in the same order each time.

    What is neither file, folder nor link is left out, and so is what lies too deep to be opened.
    """
    return (each for each in _walk_all(folder) if stat.S_IFMT(each.status.st_mode) in _KINDS)


def _walk_all(folder: str) -> Iterator[_Found]:
    ahead = [""]
    for above in ahead:
        try:
            names = sorted(os.listdir(f"{folder}{above}/"))
            found = [_Found(f"{above}/{name}", os.lstat(f"{folder}{above}/{name}")) for name in names]
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG:
                raise
            continue
        found = [each for each in found if len(os.fsencode(each.path)) <= _LONGEST_PATH]
        yield from found
        ahead += [each.path for each in found if each.is_directory]


def _left_out(found: list[_Found], limit: int) -> set[str]:
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


def _added(kept: list[_Found], since: State, used: "_Bytes") -> list[_Found] | None:
    """Return what has to be added to archives of what was there, and the folders above; None for all."""
    left = {each.path for each in kept}
    gone = (stamp for path, stamp in since.stamps.items() if path not in left)
    files = sum(each.is_file for each in kept)
    # That a file is gone is told by the list of those that are left; nothing tells it of a folder or a link.
    if used.data.count(b"\0") < files or any(not stat.S_ISREG(mode) for mode, *_ in gone):
        return None
    changed = {each.path: each for each in kept if since.stamps.get(each.path) != each.stamp}
    above = {parent for path in changed for parent in parents(path)}
    added = [each for each in kept if each.path in changed or each.path in above]
    is_little = sum(each.size for each in added) * _WORTH_ADDING <= sum(each.size for each in kept)
    return added if is_little else None


def _format_used(found: list[_Found]) -> bytes:
    """Write when files were last used, the latest first: seconds, a blank, the path, a zero."""
    now = time.time_ns()
    lines = []
    size = 0
    for each in sorted((each for each in found if each.is_file), key=lambda file: -file.used):
        line = b"%d %b\0" % (max(0, min(each.used, now)) // _SECOND, os.fsencode(each.path))
        size += len(line)
        if size > _LONGEST_LIST:
            break
        lines.append(line)
    return b"".join(lines)


def _read_used(path: str) -> Mapping[str, int]:
    """Read when files were last used, in seconds by path; what makes no sense is not listed."""
    if not (os.path.lexists(path) and stat.S_ISREG(os.lstat(path).st_mode)):
        return {}
    with open(path, "rb") as file:
        data = file.read(_LONGEST_LIST)
    lines = (line.partition(b" ") for line in data.split(b"\0"))
    now = int(time.time())
    return {
        os.fsdecode(name): min(int(seconds), now)
        for seconds, _, name in lines
        if name and seconds.isdigit() and len(seconds) < 20
    }


def _settle(folder: str, used: Mapping[str, int], *, prune: bool) -> None:
    """Take away what a cache does not hold, and let files have been read when they were.

    Who reads one from now on moves its time: the kernel does so once after a change (relatime), and unpacking
    is one. To `prune` is to take away files that are not listed, too.
    """
    for path, status in [*_walk_all(folder)]:
        kind = stat.S_IFMT(status.st_mode)
        is_gone = prune and kind == stat.S_IFREG and path not in used
        if kind not in _KINDS or is_gone:
            os.unlink(folder + path)
        elif kind == stat.S_IFREG and path in used:
            os.utime(folder + path, ns=(used[path] * _SECOND, status.st_mtime_ns), follow_symlinks=False)


def _is_directory(path: str) -> bool:
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except FileNotFoundError:
        return False


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
