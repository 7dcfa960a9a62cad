"""How much may come in: what says little of its size, or is small while it is packed, may fill a disk."""

import os
from pathlib import Path

from yadokari_builder.errors import ImageInvalidError

_LARGEST_RESERVE = 1 << 30
_RESERVED_SHARE = 10
_LOOK_EVERY = 64 << 20
_LEAST = 1 << 20


class TooLargeError(ImageInvalidError):
    """What comes in takes more than it may, or than the disk has."""


class Allowance:
    """What an image, an archive or a repository may take of the disk that `folder` is on, in bytes.

    That is at most `limit` (0: whatever there is), and never all that is free: a tenth of it is left, or a
    gibibyte. Headers and content count as they are written, holes of sparse files do not.
    """

    def __init__(self, folder: Path, limit: int = 0) -> None:
        self._folder = folder
        self._limit = limit
        self._taken = 0
        self._reserve = min(_LARGEST_RESERVE, self._free() // _RESERVED_SHARE)
        self._look_at = 0

    def take(self, size: int) -> None:
        """Count what is about to be written; raises `TooLargeError` where it is too much."""
        self._taken += size
        if self._limit and self._taken > self._limit:
            raise TooLargeError(
                f"it takes more than {self._limit} bytes of the disk, the limit: raise --image-unpack-limit"
                " if it is meant to be that large"
            )
        if self._taken >= self._look_at:
            self._look()

    def _look(self) -> None:
        """See what is free, and when to look again: sooner where it is little."""
        left = self._free() - self._reserve
        if left < 0:
            raise TooLargeError(
                f"there is no room for it: {self._taken >> 20} MiB of it are on the disk, and the"
                f" {self._free() >> 20} MiB that are free are kept as a reserve: give the pod more disk"
            )
        self._look_at = self._taken + max(_LEAST, min(_LOOK_EVERY, left // 2))

    def _free(self) -> int:
        space = os.statvfs(self._folder)
        return space.f_bavail * space.f_frsize
