import ctypes
import itertools
import struct

import pytest

from yadokari_builder.run.spaces import calls

X86_64, X86, AARCH64, ARM = 0xC000003E, 0x40000003, 0xC00000B7, 0x40000028
_X32 = 0x40000000


def number_of(architecture: int, call: str) -> int:
    libseccomp = ctypes.CDLL("libseccomp.so.2")
    return int(libseccomp.seccomp_syscall_resolve_name_arch(ctypes.c_uint32(architecture), call.encode()))


def answer(architecture: int, number: int) -> int:
    """Return what the filter answers, as linux/filter.h says it is evaluated."""
    call = struct.pack("=II", number, architecture)
    instructions = list(struct.iter_unpack("=HBBI", calls.program()))
    position, loaded = 0, 0
    while True:
        code, then, otherwise, value = instructions[position]
        position += 1
        match code:
            case 0x20:
                (loaded,) = struct.unpack_from("=I", call, value)
            case 0x15:
                position += then if loaded == value else otherwise
            case 0x06:
                return int(value)


@pytest.mark.parametrize("architecture", [X86_64, X86, AARCH64, ARM])
@pytest.mark.parametrize("call", ["mount", "pivot_root", "umount2", "unshare"])
def test_calls_that_make_namespaces_and_mount_are_refused(architecture: int, call: str) -> None:
    assert answer(architecture, number_of(architecture, call)) == 0x50001


def test_no_other_call_is_refused() -> None:
    refused = [
        (architecture, number)
        for architecture, number in itertools.product([X86_64, X86, AARCH64, ARM], range(1000))
        if answer(architecture, number) != 0x7FFF0000
    ]
    assert len(refused) == 16


def test_short_pointers_are_no_way_around() -> None:
    assert answer(X86_64, _X32 | number_of(X86_64, "mount")) == 0x50001


def test_calls_of_other_architectures_are_let_be() -> None:
    assert answer(0xC00000F3, number_of(AARCH64, "mount")) == 0x7FFF0000
