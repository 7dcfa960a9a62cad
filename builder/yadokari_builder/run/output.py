"""A step's output: passed on as it comes, its end remembered for the error."""

import os
import select
from collections import deque
from collections.abc import Callable

TAIL_LINES = 20
TAIL_BYTES = 8192

_CHUNK = 65536
# Short enough that a step hardly sees its own orphans as zombies.
_PAUSE_MS = 100
# Time for a program that writes line by line to write many, and not to fill the pipe.
_GATHERING_MS = 3
_FEW = _CHUNK // 2


class Tail:
    """Remembers the end of a stream, at most about `TAIL_BYTES` and one chunk of it."""

    def __init__(self) -> None:
        self._chunks: deque[bytes] = deque()
        self._size = 0

    def add(self, chunk: bytes) -> None:
        """Append what came last."""
        self._chunks.append(chunk)
        self._size += len(chunk)
        while self._size - len(self._chunks[0]) >= TAIL_BYTES:
            self._size -= len(self._chunks.popleft())

    def text(self) -> str:
        """Return the last `TAIL_LINES` lines; of a line redrawn with carriage returns, its last form."""
        data = b"".join(self._chunks)[-TAIL_BYTES:]
        lines = data.decode("utf-8", "replace").rstrip().split("\n")[-TAIL_LINES:]
        return "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in lines)


def pump(source: int, ended: int, output: Callable[[bytes], None], regularly: Callable[[], None]) -> None:
    """Pass on what comes from `source` until `ended` can be read, or the source is at its end and it can.

    What comes little by little is gathered for a moment. `regularly` is called at least every `_PAUSE_MS`,
    whatever comes.
    """
    end, both = select.poll(), select.poll()
    for poller in (end, both):
        poller.register(ended, select.POLLIN)
    both.register(source, select.POLLIN)
    while True:
        ready = {descriptor for descriptor, _ in both.poll(_PAUSE_MS)}
        size = _pass_on(source, output) if source in ready else -1
        if size == 0:
            both.unregister(source)
        if ended in ready:
            return
        regularly()
        if 0 < size < _FEW:
            end.poll(_GATHERING_MS)


def drain(source: int, output: Callable[[bytes], None]) -> None:
    """Pass on what `source`, which does not block, still holds."""
    while _pass_on(source, output):
        pass


def _pass_on(source: int, output: Callable[[bytes], None]) -> int:
    """Return how many bytes there were."""
    try:
        chunk = os.read(source, _CHUNK)
    except BlockingIOError:
        return 0
    if chunk:
        output(chunk)
    return len(chunk)
