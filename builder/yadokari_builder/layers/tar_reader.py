"""A reader of tar archives as streams: fast, bounded in memory, without trust in what it reads."""

import os
from collections.abc import Iterator
from typing import Protocol

from yadokari_builder.errors import ImageInvalidError
from yadokari_builder.layers import tar_sparse
from yadokari_builder.layers.allowance import Allowance
from yadokari_builder.layers.fingerprints import crc32
from yadokari_builder.layers.streams import CHUNK_SIZE, Readable
from yadokari_builder.layers.tar_header import (
    extended,
    extended_size,
    is_old_directory,
    parse_header,
    parse_records,
)
from yadokari_builder.layers.tar_member import BLOCK, Kind, Member

_ZEROS = bytes(BLOCK)
_PAX = (b"x", b"X")
_PAX_GLOBAL = b"g"
_GNU_LONG = {b"L": "path", b"K": "linkpath"}
_OLD_SPARSE = b"S"
# Go's limit too: names, links and extended attributes are far smaller.
_MAX_EXTENDED = 1 << 20


class Watch(Protocol):
    """Is told of the members of an archive, and of what they hold."""

    def add(self, member: Member, header: bytes, /) -> bool:
        """Take the next member, and its header where that tells all about it, which is no extended one.

        Returns whether its content is wanted, too.
        """

    def update(self, content: memoryview) -> None:
        """Take some of the last member's content."""


class TarReader:
    """The members of an archive, one after the other.

    Iterating gives the members; the content of the last one given is taken by `write_to`, or left out, and
    `checksum` is the CRC-32 of what was taken. A `watch` is told of members, and of what is taken
    of those that it wants.
    After the last member the stream is read to its end, so that a digest of it covers everything.
    What members and their content take is taken from the `allowance`. Raises ImageInvalidError where the
    archive is broken or ends within a member.
    """

    def __init__(
        self, stream: Readable, allowance: Allowance | None = None, watch: Watch | None = None
    ) -> None:
        self._stream = stream
        self._allowance = allowance
        self._watch = watch
        self._listener: Watch | None = None
        self._chunk = memoryview(b"")
        self._position = 0
        self._content = 0
        self._padding = 0
        self.checksum = 0

    def __iter__(self) -> Iterator[Member]:
        while (block := self._next_header()) is not None:
            flag = block[156:157]
            if flag in _PAX or flag in _GNU_LONG or flag == _PAX_GLOBAL:
                following = self._extended_member(block)
                if following is None:
                    break
                block, member = following
                header = b""
            else:
                member, header = parse_header(block), block
                if flag == _OLD_SPARSE:
                    member = tar_sparse.old_gnu(member, block, self._block)
            if is_old_directory(block, member.name):
                member = member._replace(kind=Kind.DIRECTORY, size=0)
            self._content = member.size
            self._padding = -member.size % BLOCK
            self.checksum = 0
            if self._allowance:
                self._allowance.take(BLOCK)
            if self._watch:
                self._listener = self._watch if self._watch.add(member, header) else None
            yield member
        self._drain()

    def read(self, size: int) -> bytes:
        """Return the next `size` bytes of the member's content."""
        self._content -= size
        return self._exactly(size)

    def write_to(self, file: int, size: int | None = None) -> None:
        """Write the member's content, or the next `size` bytes of it, to an open file."""
        left = self._content if size is None else size
        self._content -= left
        while left:
            chunk = self._some(left)
            left -= len(chunk)
            if self._allowance:
                self._allowance.take(len(chunk))
            if self._listener:
                self._listener.update(chunk)
            self.checksum = crc32(chunk, self.checksum)
            written = os.write(file, chunk)
            while written < len(chunk):
                written += os.write(file, chunk[written:])

    def _next_header(self) -> bytes | None:
        """Return the next header's block, or nothing at the archive's end."""
        self._skip(self._content + self._padding)
        self._content = self._padding = 0
        if self._position == len(self._chunk) and not self._fill():
            return None
        block = self._block()
        return None if block == _ZEROS else block

    def _extended_member(self, block: bytes) -> tuple[bytes, Member] | None:
        """Read extended headers and the member's own; nothing if the archive ends after global ones.

        Those that are meant for all that follows count for nothing, as for Go and so for BuildKit.
        """
        records: list[tuple[str, bytes]] = []
        size = 0
        while (flag := block[156:157]) in _PAX or flag in _GNU_LONG or flag == _PAX_GLOBAL:
            size += extended_size(block)
            if size > _MAX_EXTENDED:
                raise ImageInvalidError(f"the archive has extended headers of {size} bytes for one member")
            data = self._extended_data(extended_size(block))
            if flag in _GNU_LONG:
                records.append((_GNU_LONG[flag], data.partition(b"\0")[0]))
            elif flag in _PAX:
                records += parse_records(data)
            following = self._next_header()
            if following is None:
                if records:
                    raise ImageInvalidError("the archive ends after an extended header")
                return None
            block = following
        member = extended(parse_header(block), dict(records))
        if flag == _OLD_SPARSE:
            return block, tar_sparse.old_gnu(member, block, self._block)
        return block, tar_sparse.pax(member, records, self._block)

    def _extended_data(self, size: int) -> bytes:
        data = self._exactly(size)
        self._padding = -size % BLOCK
        return data

    def _block(self) -> bytes:
        """Return 512 bytes."""
        end = self._position + BLOCK
        if end <= len(self._chunk):
            block = bytes(self._chunk[self._position : end])
            self._position = end
            return block
        return self._exactly(BLOCK)

    def _exactly(self, size: int) -> bytes:
        parts = []
        while size:
            part = self._some(size)
            parts.append(bytes(part))
            size -= len(part)
        return b"".join(parts)

    def _some(self, size: int) -> memoryview:
        """Return up to `size` bytes of what is at hand, at least one."""
        if self._position == len(self._chunk) and not self._fill():
            raise ImageInvalidError("the archive ends within a member: it is cut off")
        chunk = self._chunk[self._position : self._position + size]
        self._position += len(chunk)
        return chunk

    def _skip(self, size: int) -> None:
        while size:
            size -= len(self._some(size))

    def _fill(self) -> bool:
        data = self._stream.read(CHUNK_SIZE)
        self._chunk = memoryview(data)
        self._position = 0
        return bool(data)

    def _drain(self) -> None:
        while self._fill():
            pass
