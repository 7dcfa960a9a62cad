"""A cache, unpacked by a process of its own: threads of one interpreter wait for each other at every file.

The process is a copy of this one (fork(2)) that has nothing open but its end of a connection and the folder
that caches stand in. It is sent how many archives there are, and each as it is kept, in pieces: their length
before them, and none behind the last one. It answers in JSON: `stamps` of what is there then, or `wrong`.
"""

import gc
import io
import json
import os
import signal
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, NoReturn, Self, TypeVar, cast

from yadokari_builder.cache.mounts.bundle import incoming, unpack_bundle
from yadokari_builder.cache.mounts.contents import State
from yadokari_builder.cache.mounts.places import Kept
from yadokari_builder.errors import BuilderError, described
from yadokari_builder.layers.streams import CHUNK_SIZE
from yadokari_builder.rootfs.anchored import Anchor
from yadokari_builder.rootfs.tree import discard
from yadokari_builder.run.descriptors import close_all_but

_NUMBER = 4
_MOMENT = 1.0
# Seconds in which it neither takes nor tells anything until it is held for lost: a step may have stopped it.
_PATIENCE = 60.0


Result = TypeVar("Result")


class LostError(Exception):
    """The process has ended, or was stopped, before it was done."""


@dataclass(frozen=True, slots=True)
class Unpacker:
    """The process for the cache that is to be at the host path `folder`; to be closed."""

    folder: str
    _pid: int
    _connection: socket.socket
    _patience: float

    @classmethod
    def start(cls, folder: str, limit: int, *, patience: float = _PATIENCE) -> Self:
        """Start it, while no step runs: what starts meanwhile is taken for a step's. Raises `OSError`.

        It is held for lost after `patience` seconds in which it takes and tells nothing.
        """
        path = Path(folder)
        with closing(Anchor.open(path.parent)) as anchor:
            mine, theirs = socket.socketpair()
            with theirs:
                try:
                    pid = os.fork()
                except OSError:
                    mine.close()
                    raise
                if pid == 0:
                    _serve(theirs, anchor, path.name, limit)
        mine.settimeout(min(_MOMENT, patience))
        return cls(folder, pid, mine, patience)

    def unpack(self, kept: Kept, beat: Callable[[], None]) -> State:
        """Have it unpack what is kept of the cache (see `unpack_bundle`).

        Raises `LostError`, `BuilderError` for whatever is wrong there, and what reading the archives raises.
        """
        with suppress(ConnectionError):  # it wants no more, and has said why
            self._send(_number(kept.number), beat)
            for archive in kept.archives:
                with archive:
                    self._send_archive(archive, beat)
        return self._state(beat)

    def close(self) -> None:
        """End it, and remove what it has left half done."""
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        self._connection.close()
        discard(incoming(self.folder))

    def _send_archive(self, archive: BinaryIO, beat: Callable[[], None]) -> None:
        is_over = False
        while not is_over:
            data = archive.read(CHUNK_SIZE)
            self._send(_number(len(data)), beat)
            self._send(data, beat)
            is_over = not data

    def _send(self, data: bytes, beat: Callable[[], None]) -> None:
        left = memoryview(data)
        while left:
            left = left[self._waiting(partial(self._connection.send, left), beat) :]

    def _waiting(self, act: Callable[[], Result], beat: Callable[[], None]) -> Result:
        """Send or receive something as soon as that is possible."""
        deadline = time.monotonic() + self._patience
        while True:
            beat()
            try:
                return act()
            except TimeoutError:
                if time.monotonic() >= deadline:
                    raise LostError("the process that unpacks it does not go on") from None

    def _state(self, beat: Callable[[], None]) -> State:
        parts = []
        with suppress(ConnectionError):  # the end, where not all was read of what it was sent
            while data := self._waiting(partial(self._connection.recv, CHUNK_SIZE), beat):
                parts.append(data)
        try:
            answer = json.loads(b"".join(parts))
        except ValueError:
            raise LostError("the process that unpacks it was killed") from None
        if "wrong" in answer:
            raise BuilderError(answer["wrong"])
        return State({path: tuple(mark) for path, mark in answer["stamps"].items()})


def _serve(connection: socket.socket, folder: Anchor, name: str, limit: int) -> NoReturn:
    """Be the process."""
    try:
        # Nothing is to be finalised that closes a descriptor by its number: they are others here.
        gc.disable()
        close_all_but((connection.fileno(), folder.descriptor))
        answer = _answer(connection, f"{folder.path}/{name}", limit)
        connection.sendall(json.dumps(answer).encode())
    finally:
        os._exit(0)


def _answer(connection: socket.socket, folder: str, limit: int) -> Mapping[str, Any]:
    try:
        with connection.makefile("rb") as source:
            archives = [cast(BinaryIO, _Sent(source)) for _ in range(_read_number(source))]
            state = unpack_bundle(archives, folder, limit, lambda: None)
    except Exception as error:
        return {"wrong": described(error) if isinstance(error, OSError) else str(error)}
    return {"stamps": state.stamps}


def _number(number: int) -> bytes:
    return number.to_bytes(_NUMBER)


def _read_number(source: BinaryIO) -> int:
    data = source.read(_NUMBER)
    if len(data) < _NUMBER:
        raise EOFError("nothing more is sent")
    return int.from_bytes(data)


class _Sent(io.RawIOBase):
    """One archive as it is sent; raises `EOFError` where the rest of it does not come."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self._left = 0
        self._is_over = False

    def read(self, size: int = -1, /) -> bytes:
        if not self._left and not self._is_over:
            self._left = _read_number(self._source)
            self._is_over = not self._left
        data = self._source.read(min(size, self._left) if size >= 0 else self._left)
        if self._left and not data:
            raise EOFError("nothing more is sent")
        self._left -= len(data)
        return data
