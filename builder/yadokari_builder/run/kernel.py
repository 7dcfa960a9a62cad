"""System calls that the standard library does not offer, and nothing else."""

import ctypes
import os

_PR_SET_DUMPABLE = 4
_PR_SET_CHILD_SUBREAPER = 36
_IPC_RMID = 0

CLONE_FS = 0x00000200
CLONE_NEWNET = 0x40000000


def unshare(flags: int) -> None:
    """Give the calling thread its own copies of what `flags` names (unshare(2)); raises `OSError`."""
    _checked("unshare", _libc().unshare(ctypes.c_int(flags)))


def set_dumpable(dumpable: bool) -> None:
    """Say whether other processes may trace this one and read its /proc entries; raises `OSError`."""
    _prctl(_PR_SET_DUMPABLE, int(dumpable))


def set_child_subreaper() -> None:
    """Become the parent of every orphan among this process's descendants; raises `OSError`."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def remove_ipc(kind: str, identifier: int) -> None:
    """Remove a System V object: `kind` is "shm", "sem" or "msg"; raises `OSError`."""
    libc, number, command = _libc(), ctypes.c_int(identifier), ctypes.c_int(_IPC_RMID)
    match kind:
        case "shm":
            _checked("shmctl", libc.shmctl(number, command, None))
        case "sem":
            _checked("semctl", libc.semctl(number, ctypes.c_int(0), command))
        case "msg":
            _checked("msgctl", libc.msgctl(number, command, None))


def _prctl(option: int, value: int) -> int:
    zero = ctypes.c_ulong(0)
    return _checked("prctl", _libc().prctl(ctypes.c_int(option), ctypes.c_ulong(value), zero, zero, zero))


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _checked(call: str, result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{call}: {os.strerror(number)}")
    return result
