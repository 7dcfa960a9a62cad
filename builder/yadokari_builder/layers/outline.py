"""Outlines of layers: what is unpacked of one where names are enough (see `unpack`), and nothing else.

An outline is an archive that tells the layer's members in their order. Files are without content and
metadata: names of many are the content of one member, each with a zero behind it. A name that is empty stands
for what is no file, the next such member of those that follow. Files named `passwd` or `group` stand as they
are.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256

from yadokari_builder.errors import ImageInvalidError
from yadokari_builder.layers.allowance import Allowance
from yadokari_builder.layers.compression import Compression, CompressionKind, compressor
from yadokari_builder.layers.streams import Readable
from yadokari_builder.layers.tar_member import BLOCK, Kind, Member, shown
from yadokari_builder.layers.tar_reader import TarReader
from yadokari_builder.layers.tar_writer import format_header, padding
from yadokari_builder.oci.digest import Digest
from yadokari_builder.rootfs.paths import normalise

FORMAT = 2
"""The version of outlines, in the names of all that holds one."""

_NAMES = "yadokari.names"
# Three per cent fewer bytes would take twice as long.
_COMPRESSION = Compression(CompressionKind.ZSTD, 1)
# Bytes of names in one member, and of those that follow it, but for the last one. To write and compress many
# at once takes a fraction of what it takes to do so with each.
_BATCH = 1 << 18
_LONGEST_NAMES = 4 << 20
_LARGEST_ACCOUNTS = 1 << 20
# Bytes of what makes no outline any more: a million files have less.
_MOST_PLAIN = 256 << 20
MOST_MEMBERS = 1 << 21
"""Members that an outline has at most: names are short, compress well, and each takes its time."""
MOST_COMPRESSED = 16 << 20
"""Bytes that an outline has at most as it is stored."""
_NO_DEVICE = (0, 0)
_LARGEST_DEVICE = 0o7777777
# The root itself, which an archive can also give no name at all.
_ROOT = "."
_END = bytes(2 * BLOCK)
# Files that are read by name while nothing but names is needed otherwise: whom --chown and USER mean.
_ACCOUNTS = frozenset({"passwd", "group"})
# How the name of one ends: to look closer at hundreds of thousands of others takes its time.
_ENDS = (*_ACCOUNTS, "/", ".")
_FILE = Kind.FILE


def is_of_accounts(name: str) -> bool:
    """Tell whether a file is one that says who somebody is, by its name in an archive."""
    last = name.rpartition("/")[2]
    return last in _ACCOUNTS or (last in ("", ".", "..") and normalise(name).rpartition("/")[2] in _ACCOUNTS)


@dataclass(frozen=True, slots=True)
class Outline:
    """An outline, compressed, and the digest of what it is decompressed."""

    data: bytes = field(repr=False)
    diff_id: Digest


class OutlineWriter:
    """Makes the outline of a layer whose members are read or written one after the other."""

    def __init__(self) -> None:
        self._compressor = compressor(_COMPRESSION)
        self._compressed: list[bytes] = []
        self._diff_id = sha256()
        self._size = 0
        self._plain = 0
        self._members = 0
        # What is in the next batch: names, headers of what has none, and the bytes of both.
        self._names: list[str] = []
        self._headers: list[bytes] = []
        self._length = 0
        self._accounts: Member | None = None
        self._content = bytearray()
        self._is_given_up = False

    def add(self, member: Member, header: bytes = b"") -> bool:
        """Take the next member, and its header where there is one that tells all about it.

        Returns whether its content is wanted.
        """
        if self._accounts:
            self._end_accounts()
        name = member.name
        if member.kind is not _FILE:
            header = header or format_header(member)
            self._names.append("")
            self._headers.append(header)
            self._length += len(header)
            if member.device != _NO_DEVICE and max(member.device) > _LARGEST_DEVICE:
                self._is_given_up = True
        elif name.endswith(_ENDS) and is_of_accounts(name):
            self._end_batch()
            self._members += 1
            self._accounts = member
            self._is_given_up = self._is_given_up or not _is_small(member)
        else:
            self._names.append(name or _ROOT)
            self._length += len(name)
        if self._length > _BATCH:
            self._end_batch()
        return self._accounts is not None

    def update(self, content: "bytes | memoryview") -> None:
        """Take some of the last member's content."""
        if self._accounts and len(self._content) <= _LARGEST_ACCOUNTS:
            self._content += content

    def finish(self) -> Outline | None:
        """Return the outline; None where there is none: it is too large, or not all was seen."""
        if self._accounts:
            self._end_accounts()
        self._end_batch()
        self._write(_END)
        self._keep(self._compressor.flush())
        if self._is_given_up or self._is_too_much():
            return None
        return Outline(b"".join(self._compressed), Digest("sha256", self._diff_id.hexdigest()))

    def _end_accounts(self) -> None:
        assert self._accounts
        member, content = self._accounts, bytes(self._content)
        self._accounts = None
        self._content.clear()
        if len(content) != member.size:
            self._is_given_up = True
        self._write(format_header(member) + content + padding(len(content)))

    def _end_batch(self) -> None:
        if self._names:
            self._members += len(self._names)
            names = os.fsencode("\0".join(self._names)) + b"\0"
            head = format_header(Member(_NAMES, Kind.FILE, 0o644, 0, 0, len(names), 0))
            self._write(b"".join((head, names, padding(len(names)), *self._headers)))
            self._names.clear()
            self._headers.clear()
            self._length = 0

    def _write(self, data: bytes) -> None:
        self._plain += len(data)
        if self._is_too_much():
            self._is_given_up = True
        if not self._is_given_up:
            self._diff_id.update(data)
            self._keep(self._compressor.compress(data))

    def _is_too_much(self) -> bool:
        return self._members > MOST_MEMBERS or self._plain > _MOST_PLAIN or self._size > MOST_COMPRESSED

    def _keep(self, data: bytes) -> None:
        self._compressed.append(data)
        self._size += len(data)


class _Bounded:
    """A stream that has as much as outlines have at most."""

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self._left = _MOST_PLAIN + len(_END)

    def read(self, size: int, /) -> bytes:
        data = self._stream.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise ImageInvalidError(f"an outline has more than {_MOST_PLAIN} bytes")
        return data


class OutlineReader:
    """The members of a layer as its outline has them; raises ImageInvalidError as `TarReader` does.

    What `OutlineWriter` would not have written is refused: who can write to a cache can put anything there.
    """

    def __init__(self, stream: Readable, allowance: Allowance | None = None) -> None:
        self._reader = TarReader(_Bounded(stream))
        self._allowance = allowance
        self._left = MOST_MEMBERS

    @property
    def checksum(self) -> int:
        """The CRC-32 of what was taken of the last member's content."""
        return self._reader.checksum

    def __iter__(self) -> Iterator[Member]:
        members = iter(self._reader)
        for member in members:
            if member.kind is Kind.FILE and member.name == _NAMES:
                yield from self._named(member.size, members)
            else:
                if member.kind is Kind.FILE and not _is_small(member):
                    raise ImageInvalidError(f"an outline has a file of its own, {shown(member.name)}")
                self._count(1)
                self._take(member.size)
                yield member

    def write_to(self, file: int, size: int | None = None) -> None:
        """Write the member's content to an open file."""
        self._reader.write_to(file, size)

    def _named(self, size: int, members: Iterator[Member]) -> Iterator[Member]:
        if size > _LONGEST_NAMES:
            raise ImageInvalidError(f"an outline has {size} bytes of names in one piece")
        names = self._reader.read(size).split(b"\0")[:-1]
        self._count(len(names))
        for name in names:
            self._take()
            if name:
                yield Member(os.fsdecode(name), Kind.FILE, 0, 0, 0, 0, 0)
                continue
            member = next(members, None)
            if member is None or member.kind is Kind.FILE:
                raise ImageInvalidError("an outline lacks some of the folders and links that it counts")
            yield member

    def _count(self, members: int) -> None:
        self._left -= members
        if self._left < 0:
            raise ImageInvalidError(f"an outline has more than {MOST_MEMBERS} members")

    def _take(self, size: int = 0) -> None:
        if self._allowance:
            self._allowance.take(BLOCK + size)


def _is_small(member: Member) -> bool:
    return is_of_accounts(member.name) and member.sparse is None and member.size <= _LARGEST_ACCOUNTS
