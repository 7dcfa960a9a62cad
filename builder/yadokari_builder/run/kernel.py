"""System calls that the standard library does not offer, and nothing else."""

import ctypes
import os
import struct

# Bound once: a child that was just forked is not to look for a library, whose locks others may have held.
_LIBC = ctypes.CDLL(None, use_errno=True)

_PR_SET_DUMPABLE = 4
_PR_SET_SECCOMP = 22
_PR_SET_CHILD_SUBREAPER = 36
_IPC_RMID = 0

_PR_CAPBSET_DROP = 24
_SECCOMP_MODE_FILTER = 2
_FILTER_INSTRUCTION = 8

CLONE_FS = 0x00000200
CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY = 0x1
MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_REMOUNT = 0x20
MS_NOATIME = 0x400
MS_NODIRATIME = 0x800
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 0x40000
MS_RELATIME = 0x200000
_MNT_DETACH = 2


def unshare(flags: int) -> None:
    """Give the calling thread its own copies of what `flags` names (unshare(2)); raises `OSError`."""
    _checked("unshare", _LIBC.unshare(ctypes.c_int(flags)))


def mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
    """Mount something or change a mount (mount(2)); raises `OSError` that names the target."""
    texts = (os.fsencode(text) or None for text in (source, target, kind))
    result = _LIBC.mount(*texts, ctypes.c_ulong(flags), data.encode() or None)
    _checked(f"mount at {target}", result)


def pivot_root(new_root: str) -> None:
    """Make a mount the root, with nothing of the old one left (pivot_root(2)); raises `OSError`."""
    os.chdir(new_root)
    # The old root comes to lie over the new one, from where it is taken away.
    _checked("pivot_root", _LIBC.pivot_root(b".", b"."))
    _checked("umount2", _LIBC.umount2(b".", ctypes.c_int(_MNT_DETACH)))
    os.chdir("/")


def drop_capability(number: int) -> None:
    """Take a capability from all that this process will execute; raises `OSError` (EINVAL: none such)."""
    _prctl(_PR_CAPBSET_DROP, number)


def filter_calls(program: bytes) -> None:
    """Have a filter decide on every call of this thread from now on (seccomp(2)); raises `OSError`."""
    instructions = ctypes.create_string_buffer(program, len(program))
    length = len(program) // _FILTER_INSTRUCTION
    described = ctypes.create_string_buffer(struct.pack("HP", length, ctypes.addressof(instructions)))
    _prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.addressof(described))


def set_dumpable(dumpable: bool) -> None:
    """Say whether other processes may trace this one and read its /proc entries; raises `OSError`."""
    _prctl(_PR_SET_DUMPABLE, int(dumpable))


def set_child_subreaper() -> None:
    """Become the parent of every orphan among this process's descendants; raises `OSError`."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def remove_ipc(kind: str, identifier: int) -> None:
    """Remove a System V object: `kind` is "shm", "sem" or "msg"; raises `OSError`."""
    number, command = ctypes.c_int(identifier), ctypes.c_int(_IPC_RMID)
    match kind:
        case "shm":
            _checked("shmctl", _LIBC.shmctl(number, command, None))
        case "sem":
            _checked("semctl", _LIBC.semctl(number, ctypes.c_int(0), command))
        case "msg":
            _checked("msgctl", _LIBC.msgctl(number, command, None))


def _prctl(option: int, value: int, address: int = 0) -> int:
    given = (ctypes.c_ulong(each) for each in (value, address, 0, 0))
    return _checked("prctl", _LIBC.prctl(ctypes.c_int(option), *given))


def _checked(call: str, result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{call}: {os.strerror(number)}")
    return result
