"""Files of archives, one behind the other, each with a seal: a frame that readers of zstd skip.

A seal is the header of such a frame (RFC 8878, 3.1.2), the SHA-256 of the archive before it and, as eight
bytes, the lowest first, its size.
"""

import hashlib
import io
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple, cast

from yadokari_builder.errors import ImageInvalidError
from yadokari_builder.layers.streams import CHUNK_SIZE

_HEADER = b"\x5e\x2a\x4d\x18\x28\x00\x00\x00"
_DIGEST = 32
_SEAL = len(_HEADER) + _DIGEST + 8
_MOST = 256
"""Seals that are looked for: a file may have been made up of them alone."""
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class _Part(NamedTuple):
    offset: int
    size: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class SealedFile:
    """An open file of archives, to be closed. It is what it was however others replace it."""

    _file: int
    _parts: tuple[_Part, ...]

    @classmethod
    def open(cls, path: str) -> "SealedFile":
        """Open a file; raises `ImageInvalidError` if it is none, or ends in no seal, and `OSError`."""
        file = os.open(path, _READ)
        try:
            return cls(file, _parts(file))
        except BaseException:
            os.close(file)
            raise

    @property
    def number(self) -> int:
        """How many archives are in it."""
        return len(self._parts)

    @property
    def archives(self) -> Iterator[BinaryIO]:
        """Open the archives, the latest first; reading one raises `ImageInvalidError` if it is damaged."""
        return (cast(BinaryIO, _Archive(self._file, part)) for part in self._parts)

    def copy_to(self, file: BinaryIO) -> None:
        """Write all of it, the seals too."""
        for part in reversed(self._parts):
            left = part.size + _SEAL
            while left:
                data = os.pread(self._file, min(CHUNK_SIZE, left), part.offset + part.size + _SEAL - left)
                if not data:
                    raise ImageInvalidError("it is damaged")
                file.write(data)
                left -= len(data)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def seal(digest: bytes, size: int) -> bytes:
    """Return what is to stand behind an archive of that SHA-256 and size in bytes."""
    return _HEADER + digest + size.to_bytes(8, "little")


def _parts(file: int) -> tuple[_Part, ...]:
    """Read the seals, from the last one on."""
    status = os.fstat(file)
    end = status.st_size
    parts: list[_Part] = []
    while stat.S_ISREG(status.st_mode) and end >= _SEAL and len(parts) < _MOST:
        found = os.pread(file, _SEAL, end - _SEAL)
        size = int.from_bytes(found[-8:], "little")
        end -= _SEAL + size
        if not found.startswith(_HEADER) or end < 0:
            break
        parts.append(_Part(end, size, found[len(_HEADER) : -8]))
        if not end:
            return tuple(parts)
    raise ImageInvalidError("it is no whole file")


class _Archive(io.RawIOBase):
    """One archive of a file; the last of its bytes are given only if its seal says so."""

    def __init__(self, file: int, part: _Part) -> None:
        self._file = file
        self._at, self._left = part.offset, part.size
        self._sealed = part.digest
        self._digest = hashlib.sha256()

    def read(self, size: int = -1, /) -> bytes:
        wanted = min(self._left if size < 0 else min(size, self._left), CHUNK_SIZE)
        data = os.pread(self._file, wanted, self._at) if wanted else b""
        self._at += len(data)
        self._left -= len(data)
        self._digest.update(data)
        is_short = wanted and not data
        if is_short or (data and not self._left and self._digest.digest() != self._sealed):
            raise ImageInvalidError("it is damaged")
        return data
