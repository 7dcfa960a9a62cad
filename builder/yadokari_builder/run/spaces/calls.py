"""The system calls that steps do without: those by which their own namespaces were made.

A pod's seccomp profile that lets the executor make namespaces (docs/isolation.md) would let steps make more
of them, and mount things there. What it allows beyond the container runtime's default is taken from steps
again, so that no more of the kernel is in their reach than in an ordinary pod.
"""

import errno
import struct
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from yadokari_builder.run import kernel

TAKEN = ("mount", "pivot_root", "umount2", "unshare")

_X32 = 0x40000000
"""What is added to the numbers of the x86_64 ABI with short pointers (__X32_SYSCALL_BIT)."""

NUMBERS: Mapping[int, Sequence[int]] = MappingProxyType(
    {
        0xC000003E: (165, 155, 166, 272, *(_X32 | number for number in (165, 155, 166, 272))),  # x86_64
        0x40000003: (21, 217, 52, 310),  # x86
        0xC00000B7: (40, 41, 39, 97),  # aarch64
        0x40000028: (21, 218, 52, 337),  # arm
    }
)
"""By architecture (AUDIT_ARCH_*, linux/audit.h), the numbers of `TAKEN` there, in this order."""

# Instructions of classic BPF (linux/filter.h), and what a filter of seccomp(2) works on and answers.
_LOAD, _IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_CALL, _ARCHITECTURE = 0, 4
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | errno.EPERM


def take_away() -> None:
    """Have the kernel refuse these calls to this process and all that come of it.

    Without no_new_privs, which would take their rights from set-id programs, this needs CAP_SYS_ADMIN in the
    process's user namespace. Raises `OSError`.
    """
    kernel.filter_calls(program())


def program() -> bytes:
    """Return the filter as the kernel reads it."""
    blocks = [_block(architecture, numbers) for architecture, numbers in NUMBERS.items()]
    return b"".join([*blocks, _instruction(_RETURN, _ALLOW)])


def _block(architecture: int, numbers: Sequence[int]) -> bytes:
    """Return what answers for one architecture, and is skipped for others."""
    ahead = range(len(numbers), 0, -1)
    body = [
        _instruction(_LOAD, _CALL),
        *(_instruction(_IF_EQUAL, each, then=left) for each, left in zip(numbers, ahead, strict=True)),
        _instruction(_RETURN, _ALLOW),
        _instruction(_RETURN, _REFUSE),
    ]
    head = [
        _instruction(_LOAD, _ARCHITECTURE),
        _instruction(_IF_EQUAL, architecture, otherwise=len(body)),
    ]
    return b"".join(head + body)


def _instruction(code: int, value: int, *, then: int = 0, otherwise: int = 0) -> bytes:
    """Return a `struct sock_filter`; `then` and `otherwise` are how many instructions a condition skips."""
    return struct.pack("=HBBI", code, then, otherwise, value)
