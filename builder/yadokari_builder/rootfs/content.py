"""Content of files, copied by the kernel where it can."""

import errno
import fcntl
import os
from collections.abc import Iterator

# ioctl_ficlone(2); the fcntl module has no name for it.
_FICLONE = 0x40049409
_CHUNK = 1 << 30
_BUFFER = 1 << 20
# What a file system answers that cannot copy by itself, or not from where the other file is.
_UNSUPPORTED = frozenset(
    {errno.ENOSYS, errno.EXDEV, errno.EPERM, errno.EIO, errno.EOPNOTSUPP, errno.EINVAL, errno.EBADF}
)


def copy_content(source: int, target: int, status: os.stat_result) -> None:
    """Copy what one open file holds into another that is empty; holes stay holes."""
    size = status.st_size
    # Blocks of st_blocks are 512 bytes, whatever the file system (stat(2)).
    if status.st_blocks * 512 >= size:
        _copy_range(source, target, 0, size)
        return
    for start, end in _pieces(source, size):
        _copy_range(source, target, start, end)
    os.ftruncate(target, size)


def clone(source: int, target: int) -> bool:
    """Let an empty open file share the content of another, if the file system can, as XFS and btrfs do."""
    try:
        fcntl.ioctl(target, _FICLONE, source)
    except OSError:
        return False
    return True


def _pieces(file: int, size: int) -> Iterator[tuple[int, int]]:
    """List where a sparse file has data."""
    end = 0
    while end < size:
        try:
            start = os.lseek(file, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # nothing but a hole is left
                return
            raise
        end = os.lseek(file, start, os.SEEK_HOLE)
        yield start, end


def _copy_range(source: int, target: int, start: int, end: int) -> None:
    while start < end:
        try:
            done = os.copy_file_range(source, target, min(end - start, _CHUNK), start, start)
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                raise
            _copy_by_hand(source, target, start, end)
            return
        if not done:  # the file became shorter meanwhile
            return
        start += done


def _copy_by_hand(source: int, target: int, start: int, end: int) -> None:
    while start < end and (data := os.pread(source, min(end - start, _BUFFER), start)):
        view = memoryview(data)
        while view:
            written = os.pwrite(target, view, start)
            view = view[written:]
            start += written
