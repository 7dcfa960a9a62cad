"""What the kernel tells of changes in directories (inotify(7)); the standard library has no name for it."""

import ctypes
import errno
import os
import struct
from collections.abc import Iterator
from threading import Thread
from typing import NamedTuple

# Bound once: nothing is loaded after the first step.
_LIBC = ctypes.CDLL(None, use_errno=True)
_EVENT = struct.Struct("iIII")
_BUFFER = 1 << 16
# gVisor says that it is Linux 4.4, and what it tells is not known to be all.
_LEAST_KERNEL = 5

_MODIFY = 0x2
_ATTRIB = 0x4
_OPEN = 0x20
_MOVED_FROM = 0x40
_MOVED_TO = 0x80
_CREATE = 0x100
_DELETE = 0x200
_UNMOUNT = 0x2000
_OVERFLOW = 0x4000
_IGNORED = 0x8000
_ONLYDIR = 0x0100_0000
_DONT_FOLLOW = 0x0200_0000
_ISDIR = 0x4000_0000

# Who writes by a mapping (mmap(2)) has opened the file, which is all that is told of it.
_WANTED = _MODIFY | _ATTRIB | _OPEN | _MOVED_FROM | _MOVED_TO | _CREATE | _DELETE | _ONLYDIR | _DONT_FOLLOW


class Notice(NamedTuple):
    """What happened to a name in the directory of a number, or without a name to the directory itself."""

    number: int
    name: bytes
    mask: int

    @property
    def is_directory(self) -> bool:
        """Whether it happened to a directory."""
        return bool(self.mask & _ISDIR)

    @property
    def is_move(self) -> bool:
        """Whether it has, or had, another name."""
        return bool(self.mask & (_MOVED_FROM | _MOVED_TO))

    @property
    def has_come(self) -> bool:
        """Whether the name is new, or another's from now on."""
        return bool(self.mask & (_CREATE | _MOVED_TO))

    @property
    def has_gone(self) -> bool:
        """Whether the name is gone."""
        return bool(self.mask & (_DELETE | _MOVED_FROM))

    @property
    def is_last(self) -> bool:
        """Whether the number stands for no directory any more."""
        return bool(self.mask & _IGNORED)


class LostError(Exception):
    """The kernel has not kept all that it had to tell."""


class Notices:
    """Notices of what happens in directories; to be closed. Raises `OSError` where the kernel gives none."""

    def __init__(self) -> None:
        release = os.uname().release
        if int(release.partition(".")[0]) < _LEAST_KERNEL:
            raise OSError(errno.ENOSYS, f"Linux {release} is not known to tell all")
        self._file = _checked(_LIBC.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK))

    def add(self, path: str) -> int:
        """Have the kernel tell of a directory of the host; returns its number, the same if it has one.

        Raises `OSError`.
        """
        return _checked(_LIBC.inotify_add_watch(self._file, os.fsencode(path), _WANTED))

    def read(self) -> Iterator[Notice]:
        """Yield what has happened since, but that directories were listed; raises `LostError`."""
        while data := self._read():
            place = 0
            while place < len(data):
                number, mask, _, length = _EVENT.unpack_from(data, place)
                place += _EVENT.size + length
                if mask & (_OVERFLOW | _UNMOUNT):
                    raise LostError
                if mask & (_OPEN | _ISDIR) != _OPEN | _ISDIR:
                    yield Notice(number, data[place - length : place].rstrip(b"\0"), mask)

    def close(self) -> None:
        """Have nothing told any more."""
        # Until no processor tells of anything any more the kernel waits, 15 ms without any work.
        Thread(target=os.close, args=(self._file,), name="notices", daemon=True).start()

    def _read(self) -> bytes:
        try:
            return os.read(self._file, _BUFFER)
        except BlockingIOError:
            return b""


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
