"""Digests of a context's files, kept on a volume: what is as it was is not read again.

A file is known by device, inode, size, mtime and ctime, which no change leaves as it was and nobody can set
back. Rows of 72 bytes, the five numbers and the SHA-256 of what the file holds, are sorted, and a SHA-256 of
them all follows.
"""

import hashlib
import logging
import os
import struct
import time
from bisect import bisect_left
from collections.abc import Callable
from threading import Lock

from yadokari_builder.cache.layout import Layout
from yadokari_builder.errors import ImageInvalidError, described
from yadokari_builder.rootfs.mounts import devices_of

logger = logging.getLogger(__name__)

NAME = "context-digests"
"""What the file is called beside a cache in a folder."""

_VERSION = b"yadokari 1\0"
_DIGEST = 32
_KEY = struct.Struct(">5Q")
_ROW = _KEY.size + _DIGEST
_MASK = (1 << 64) - 1
_MOST = 1 << 19
# What has changed so short a time ago may do so again within the same stamp (compare git's racy index): file
# systems know seconds at worst, servers have clocks of their own, and of a file that a process has mapped the
# next change counts once the kernel has written the last one to the disk, after half a minute.
_RACY_NS = 60 * 10**9
# In memory nothing is ever written to a disk; times of the others are what a program or a client says.
_DOUBTFUL = ("tmpfs", "ramfs", "fuse", "cifs", "smb")


class KnownDigests:
    """Digests that earlier builds have left in a file of a layout's folder, and those that this one finds.

    Nothing is known of file systems whose times do not tell all. What is `found` or noted, in any thread,
    stays; of the rest as much as there is room for. `checksum` is what `keep` has told of the file, where
    others than who is to be believed can write to it.
    """

    def __init__(
        self,
        layout: Layout,
        clock: Callable[[], int] = time.time_ns,
        name: str = NAME,
        checksum: str | None = None,
    ) -> None:
        self._layout = layout
        self._name = name
        self._checksum = checksum
        self._settled_ns = clock() - _RACY_NS
        self._doubtful = devices_of(_DOUBTFUL)
        self._rows = self._read()
        self._lock = Lock()
        self._found: set[int] = set()
        self._noted: set[bytes] = set()

    def find(self, file: int) -> bytes | None:
        """Return the SHA-256 of what an open file holds that has no extended attributes, if that is known."""
        status = os.fstat(file)
        if status.st_dev in self._doubtful:
            return None
        key = _key(status)
        place = bisect_left(range(len(self._rows) // _ROW), key, key=self._key_at)
        if place * _ROW == len(self._rows) or self._key_at(place) != key:
            return None
        self._found.add(place)
        return self._rows[place * _ROW + _KEY.size : (place + 1) * _ROW]

    def note(self, file: int, digest: bytes) -> None:
        """Note what was read of an open file without extended attributes, if it can be known again."""
        status = os.fstat(file)
        # That it was so before the build began tells that nobody wrote to it while it was read.
        if status.st_ctime_ns < self._settled_ns and status.st_dev not in self._doubtful:
            with self._lock:
                self._noted.add(_key(status) + digest)

    def keep(self) -> str:
        """Write what is known by now, if there is anything new; returns the checksum, "" for nothing."""
        logger.debug(
            "cache: of the context's files %d were known, and %d are from now on",
            len(self._found),
            len(self._noted),
        )
        if not self._noted:
            return ""
        count = len(self._rows) // _ROW
        kept = {*self._noted, *map(self._row, self._found)}
        if count + len(self._noted) <= _MOST:
            kept.update(map(self._row, range(count)))
        rows = b"".join(sorted(kept)[:_MOST])
        checksum = _checked(rows)
        try:
            self._layout.put_beside(self._name, rows + checksum)
        except OSError as error:
            logger.warning("cache: digests of the context are not kept: %s", described(error))
            return ""
        return checksum.hex()

    def _read(self) -> bytes:
        try:
            data = self._layout.read_beside(self._name, _MOST * _ROW + _DIGEST)
        except FileNotFoundError:
            return b""
        except (OSError, ImageInvalidError) as error:
            why = described(error) if isinstance(error, OSError) else error.message
            logger.warning("cache: digests of the context are left out: %s", why)
            return b""
        rows = data[:-_DIGEST]
        if len(rows) % _ROW or _checked(rows) != data[-_DIGEST:]:
            logger.warning("cache: digests of the context are left out: %s is damaged", self._name)
            return b""
        if self._checksum not in (None, data[-_DIGEST:].hex()):
            logger.info("cache: digests of the context are left out: another wrote %s since", self._name)
            return b""
        return rows

    def _row(self, place: int) -> bytes:
        return self._rows[place * _ROW : (place + 1) * _ROW]

    def _key_at(self, place: int) -> bytes:
        return self._rows[place * _ROW : place * _ROW + _KEY.size]


def _key(status: os.stat_result) -> bytes:
    numbers = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return _KEY.pack(*(number & _MASK for number in numbers))


def _checked(rows: bytes) -> bytes:
    return hashlib.sha256(_VERSION + rows).digest()
