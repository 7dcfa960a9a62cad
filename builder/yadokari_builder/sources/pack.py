"""Packs of git, looked through as streams before anything of them is held in memory.

    pack  := "PACK" version[4] count[4] entry* trailer
    entry := header [ base ] zlib-stream        (gitformat-pack(5))

The header tells an object's type and size; that of a delta, which stands for another object with changes, is
its own, and the sizes of both objects come first in it.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from yadokari_builder.errors import ContextError
from yadokari_builder.layers.streams import Readable

_CHUNK = 1 << 18
# dulwich holds some 300 bytes for each.
_MOST_OBJECTS = 500_000
_HEAD = 12
_OFFSET_DELTA = 6
_REFERENCE_DELTA = 7
_REFERENCE_SIZE = 20
# Two numbers of 64 bits, seven of them in a byte.
_DELTA_HEAD = 20


def require_small_objects(pack: Readable, limit: int, name: str) -> None:
    """Refuse a pack with an object of more than `limit` bytes, or with very many; raises ContextError.

    So it does for one that is broken.
    """
    try:
        for size in _sizes(_Stream(pack), name):
            if size > limit:
                raise ContextError(
                    f"{name}: it has a file of {size >> 20} MiB: files of git repositories can have"
                    f" {limit >> 20} MiB; fetch the file with ADD from elsewhere, or mount the checked out"
                    " repository and name it as --context dir://FOLDER"
                )
    except (EOFError, zlib.error):
        raise ContextError(f"{name}: what the server sent is broken") from None


def _sizes(stream: "_Stream", name: str) -> Iterator[int]:
    """Yield a size for each object, without reading further than to it: the larger one for a delta."""
    count = int.from_bytes(stream.take(_HEAD)[8:])
    if count > _MOST_OBJECTS:
        raise ContextError(f"{name}: it has {count} files and folders: {_MOST_OBJECTS} are taken")
    for _ in range(count):
        byte = stream.byte()
        kind = byte >> 4 & 7
        size = byte & 15
        shift = 4
        while byte & 0x80:
            byte = stream.byte()
            size |= (byte & 0x7F) << shift
            shift += 7
        yield size
        if kind == _OFFSET_DELTA:
            while stream.byte() & 0x80:
                pass
        elif kind == _REFERENCE_DELTA:
            stream.take(_REFERENCE_SIZE)
        head = stream.inflate(_DELTA_HEAD)
        if kind in (_OFFSET_DELTA, _REFERENCE_DELTA):
            yield max(_two_sizes(head))


def _two_sizes(head: bytes) -> tuple[int, int]:
    sizes = []
    rest = iter(head)
    for _ in range(2):
        size = shift = 0
        for byte in rest:
            size |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        sizes.append(size)
    return sizes[0], sizes[1]


@dataclass(slots=True)
class _Stream:
    source: Readable
    _rest: bytes = field(default=b"")
    _position: int = 0

    def byte(self) -> int:
        if self._position == len(self._rest):
            self._fill()
        self._position += 1
        return self._rest[self._position - 1]

    def take(self, size: int) -> bytes:
        return bytes(self.byte() for _ in range(size))

    def inflate(self, size: int) -> bytes:
        """Pass over a compressed stream; returns the first bytes of what it holds."""
        inflater = zlib.decompressobj()
        head = b""
        while not inflater.eof:
            if self._position == len(self._rest):
                self._fill()
            data = inflater.decompress(self._rest[self._position :], _CHUNK)
            head += data[: size - len(head)]
            self._rest = inflater.unused_data if inflater.eof else inflater.unconsumed_tail
            self._position = 0
        return head

    def _fill(self) -> None:
        self._rest = self.source.read(_CHUNK)
        self._position = 0
        if not self._rest:
            raise EOFError
