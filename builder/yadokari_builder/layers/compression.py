"""Compression of layers: any that images use is read, gzip and zstd are written."""

import bz2
import io
import lzma
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import BinaryIO, Protocol, cast

import zstandard
from isal import igzip, isal_zlib

from yadokari_builder.errors import ImageInvalidError
from yadokari_builder.layers.streams import CHUNK_SIZE, Readable, read_chunk

_INPUT_SIZE = 1 << 17
_MAGIC_SIZE = 10
_GZIP = b"\x1f\x8b\x08"
_ZSTD = b"\x28\xb5\x2f\xfd"
# Frames that a reader skips (RFC 8878, 3.1.2) may come first: zstd:chunked writes some.
_ZSTD_SKIPPABLE = tuple(bytes([0x50 + n, 0x2A, 0x4D, 0x18]) for n in range(16))
_SEAL = b"yadokari zstd seal"
_XZ = b"\xfd7zXZ\x00"
_BZIP2 = re.compile(rb"BZh[1-9](1AY&SY|\x17rE8P\x90)")

# An archive may ask for windows and dictionaries of gigabytes; `zstd -22` and `xz -9` need less than these.
_ZSTD_MAX_WINDOW = 1 << 27
_XZ_MEMORY = 100 << 20

# Its stub takes it for an instance.
_IsalError = cast(type[Exception], isal_zlib.IsalError)
_BROKEN = (EOFError, OSError, zlib.error, _IsalError, lzma.LZMAError, zstandard.ZstdError)


def decompress(stream: BinaryIO) -> BinaryIO:
    """Return what a stream holds, decompressed by what its first bytes say; plain data as it is.

    Several gzip members or zstd frames are read one after the other (RFC 1952, 2.2; RFC 8878, 3.1).
    Reading raises ImageInvalidError where the data is broken or ends too early.
    """
    source = _Peeked(stream, _MAGIC_SIZE)
    magic = source.head
    if magic.startswith(_GZIP):
        return _guarded(igzip.open(source, "rb"), "gzip")  # type: ignore[no-untyped-call]
    if magic.startswith((_ZSTD, *_ZSTD_SKIPPABLE)):
        return _guarded(_ZstdReader(source), "zstd")
    if magic.startswith(_XZ):
        return _guarded(_BlockReader(source, lambda: lzma.LZMADecompressor(memlimit=_XZ_MEMORY)), "xz")
    if _BZIP2.match(magic):
        return _guarded(_BlockReader(source, bz2.BZ2Decompressor), "bzip2")
    return cast(BinaryIO, source)


def _guarded(stream: Readable, kind: str) -> BinaryIO:
    return cast(BinaryIO, _Guarded(stream, kind))


class CompressionKind(Enum):
    """How a layer is compressed, by the names that people use."""

    GZIP = "gzip"
    ZSTD = "zstd"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Compression:
    """A way to compress layers; without a level, the one that suits building."""

    kind: CompressionKind = CompressionKind.GZIP
    level: int | None = None


DEFAULT_COMPRESSION = Compression()


class Compressor(Protocol):
    """Compresses what it is given piece by piece, the same pieces always to the same bytes."""

    def compress(self, data: "bytes | memoryview", /) -> bytes:
        """Return what can be written already."""
        ...

    def flush(self) -> bytes:
        """Return the end."""
        ...


_FASTEST_GZIP = 1
# Others are not the same on every processor, or do not mean what they mean to others (0: store).
_ISAL_LEVELS = (1, 2)
_ZSTD_LEVEL = 3
# A gzip header without name and time (RFC 1952): nothing of the machine is in it.
_GZIP_WINDOW = 31


def compressor(compression: Compression) -> Compressor:
    """Return a compressor for one layer.

    gzip levels 1 and 2 are ISA-L's, which compresses many times faster than zlib; others are zlib's.
    """
    if compression.kind is CompressionKind.NONE:
        return _Plain()
    if compression.kind is CompressionKind.ZSTD:
        level = _ZSTD_LEVEL if compression.level is None else compression.level
        return cast(Compressor, zstandard.ZstdCompressor(level=level).compressobj())
    level = _FASTEST_GZIP if compression.level is None else compression.level
    if level in _ISAL_LEVELS:
        return cast(Compressor, isal_zlib.compressobj(level, wbits=_GZIP_WINDOW))
    return cast(Compressor, zlib.compressobj(level, wbits=_GZIP_WINDOW))


class _Plain:
    def compress(self, data: bytes | memoryview, /) -> bytes:
        return bytes(data)

    def flush(self) -> bytes:
        return b""


class _Reader(io.RawIOBase):
    """A stream for reading whose `read` is all there is to write."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "bytearray | memoryview", /) -> int:  # type: ignore[override]
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


class _Peeked(_Reader):
    """A stream whose first bytes can be looked at."""

    def __init__(self, stream: Readable, size: int) -> None:
        self._stream = stream
        self.head = read_chunk(stream, size)

    def read(self, size: int = -1, /) -> bytes:
        if not self.head:
            return self._stream.read(size)
        if size < 0:
            size = len(self.head)
        data, self.head = self.head[:size], self.head[size:]
        return data


class _Guarded(_Reader):
    """A decompressed stream whose errors say what is broken."""

    def __init__(self, stream: Readable, kind: str) -> None:
        self._stream = stream
        self._kind = kind

    def read(self, size: int = -1, /) -> bytes:
        try:
            return self._stream.read(size if size >= 0 else CHUNK_SIZE)
        except _BROKEN as error:
            raise ImageInvalidError(f"the {self._kind} data is broken: {error}") from error


class _Sealed(_Reader):
    """A stream with one zstd frame more at its end."""

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self._seal = zstandard.ZstdCompressor().compress(_SEAL)

    def read(self, size: int = -1, /) -> bytes:
        data = self._stream.read(size)
        if not data:
            data, self._seal = self._seal[:size], self._seal[size:]
        return data


class _ZstdReader:
    """Reads zstd frames one after the other.

    The library does not tell a stream that ends within a frame from one that ends after it. So a frame is put
    behind the stream: unless its content is what comes out last, something is missing before it.
    """

    def __init__(self, stream: Readable) -> None:
        decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_MAX_WINDOW)
        sealed = cast(BinaryIO, _Sealed(stream))
        self._reader = decompressor.stream_reader(sealed, _INPUT_SIZE, read_across_frames=True)
        self._held = b""

    def read(self, size: int, /) -> bytes:
        while data := self._reader.read(size):
            data = self._held + data
            data, self._held = data[: -len(_SEAL)], data[-len(_SEAL) :]
            if data:
                return data
        if self._held != _SEAL:
            raise EOFError("it ends too early")
        return b""


class _BlockDecompressor(Protocol):
    """What the decompressors of bz2 and lzma have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class _BlockReader:
    """Reads xz or bzip2 streams one after the other, never more at once than is asked for."""

    def __init__(self, stream: Readable, start: Callable[[], _BlockDecompressor]) -> None:
        self._stream = stream
        self._start = start
        self._current: _BlockDecompressor = start()

    def read(self, size: int, /) -> bytes:
        output = b""
        while not output:
            data = self._input()
            if self._current.eof:
                if not data:
                    return b""
                self._current = self._start()
            elif not data and self._current.needs_input:
                raise EOFError("it ends too early")
            output = self._current.decompress(data, size)
        return output

    def _input(self) -> bytes:
        """Return what to decompress next; zeros between two streams are padding."""
        if not self._current.eof:
            return self._stream.read(_INPUT_SIZE) if self._current.needs_input else b""
        data = self._current.unused_data.lstrip(b"\0")
        while not data and (data := self._stream.read(_INPUT_SIZE)):
            data = data.lstrip(b"\0")
        return data
