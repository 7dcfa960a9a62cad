"""What a step's process is given or denied beyond its user: its root and its network."""

import fcntl
import os
import socket
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from yadokari_builder.errors import RunError
from yadokari_builder.run import kernel

_SIOCGIFFLAGS = 0x8913
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 0x1

Result = TypeVar("Result")


def isolated(call: Callable[[], Result], root: Path, network: str) -> Result:
    """Call `call` so that a process it starts has `root` for its root and the network that RUN asked for.

    "default" (also "") and "host" are the pod's own network; "none" is one with a loopback device only.
    Raises `RunError` where the pod may not have that, and whatever `call` raises.
    """
    if str(root) == "/" and network != "none":
        return call()

    def isolate_and_call() -> Result:
        _isolate(root, network)
        return call()

    return _InThread(isolate_and_call).result()


class _InThread(threading.Thread, Generic[Result]):
    """Linux keeps root and network of each thread, so the rest of the executor keeps its own."""

    def __init__(self, call: Callable[[], Result]) -> None:
        super().__init__(name="isolated")
        self._call = call
        self._results: list[Result] = []
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            self._results.append(self._call())
        except BaseException as error:
            self._error = error

    def result(self) -> Result:
        self.start()
        self.join()
        if self._error:
            raise self._error
        return self._results[0]


def _isolate(root: Path, network: str) -> None:
    if network == "none":
        _leave_network()
    if str(root) != "/":
        kernel.unshare(kernel.CLONE_FS)
        os.chroot(root)
        os.chdir("/")


def _leave_network() -> None:
    try:
        kernel.unshare(kernel.CLONE_NEWNET)
    except OSError as error:
        raise RunError(
            f"--network=none needs a network namespace, which this pod may not make ({error.strerror}): let"
            " steps have namespaces of their own (docs/isolation.md), give the executor's container the"
            " capability SYS_ADMIN, or remove --network=none",
            status=126,
        ) from None
    raise_loopback()


def raise_loopback() -> None:
    """Let the loopback device of a new network namespace work; raises `OSError`."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as loopback:
        request = struct.pack("16sH14x", b"lo", 0)
        flags = struct.unpack("16sH14x", fcntl.ioctl(loopback, _SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(loopback, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags | _IFF_UP))
