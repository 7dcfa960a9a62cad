"""Files without a name: whoever shares the root finds nothing to read, replace or link to."""

import errno
import io
import os
import tempfile
from pathlib import Path
from typing import BinaryIO, cast

# What overlay answers before Linux 6.1, and network file systems.
_UNSUPPORTED = frozenset({errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT, errno.EINVAL})


class NamelessFile:
    """A file that only its descriptor leads to; it is gone when that and all readers' are closed.

    For one writer, which appends, and any number of readers, each in its thread.
    """

    def __init__(self, folder: Path) -> None:
        self.descriptor = -1
        self.descriptor = _open(folder)

    def append(self, data: "bytes | memoryview") -> None:
        """Write all of `data` at the end."""
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self.descriptor, rest) :]

    def read(self, size: int, offset: int) -> bytes:
        """Return up to `size` bytes from an offset, none at the end."""
        return os.pread(self.descriptor, size, offset)

    def open(self) -> BinaryIO:
        """Open what is there by now for reading from its beginning."""
        return cast(BinaryIO, _Reader(os.dup(self.descriptor)))

    def close(self) -> None:
        """Give the file up; readers that are open keep it."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def __del__(self) -> None:
        self.close()


class _Reader(io.RawIOBase):
    """Reads at a place of its own: duplicates of a descriptor share theirs."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._offset = 0

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._offset

    def readinto(self, buffer: "memoryview | bytearray", /) -> int:  # type: ignore[override]
        size = os.preadv(self._descriptor, [buffer], self._offset)
        self._offset += size
        return size

    def close(self) -> None:
        if not self.closed:
            os.close(self._descriptor)
        super().close()


def _open(folder: Path) -> int:
    try:
        return os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
    descriptor, name = tempfile.mkstemp(prefix="file-", dir=folder)
    os.unlink(name)
    return descriptor
