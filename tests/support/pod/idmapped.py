"""Mounts whose files belong to others: as root's in a container whose ids are not the machine's.

usage: idmapped.py PID [SOURCE TARGET]...

Kubernetes mounts so what a pod with `hostUsers: false` sees. PID is a process in a user namespace with the
container's ids.
"""

import ctypes
import os
import struct
import sys

_OPEN_TREE, _MOVE_MOUNT, _MOUNT_SETATTR = 428, 429, 442
_AT_FDCWD = -100
_OPEN_TREE_CLONE, _AT_RECURSIVE, _AT_EMPTY_PATH = 1, 0x8000, 0x1000
_MOUNT_ATTR_IDMAP = 0x100000
_MOVE_MOUNT_F_EMPTY_PATH = 4


def main(pid: str, *places: str) -> None:
    """Mount each source at its target."""
    users = os.open(f"/proc/{pid}/ns/user", os.O_RDONLY)
    for source, target in zip(places[::2], places[1::2], strict=True):
        _mount(source, target, users)


def _mount(source: str, target: str, users: int) -> None:
    tree = _call(_OPEN_TREE, _AT_FDCWD, source.encode(), _OPEN_TREE_CLONE)
    attributes = ctypes.create_string_buffer(struct.pack("QQQQ", _MOUNT_ATTR_IDMAP, 0, 0, users), 32)
    _call(_MOUNT_SETATTR, tree, b"", _AT_EMPTY_PATH, attributes, 32)
    _call(_MOVE_MOUNT, tree, b"", _AT_FDCWD, target.encode(), _MOVE_MOUNT_F_EMPTY_PATH)
    os.close(tree)


def _call(number: int, *arguments: object) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    result: int = libc.syscall(ctypes.c_long(number), *arguments)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"system call {number}: {os.strerror(code)}")
    return result


if __name__ == "__main__":
    main(*sys.argv[1:])
