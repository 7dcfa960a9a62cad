"""A queue of keys: each at most once in it, each worked on by one worker at a time."""

import asyncio
import contextlib
import heapq
import time
from collections.abc import Callable
from typing import Generic, TypeVar

K = TypeVar("K")


class WorkQueue(Generic[K]):
    """Keys and the times at which they are due.

    A key added while it is worked on is due again when that work is done, so that no event is lost and no
    key is worked on twice at once. Adding a key that waits brings it forward, never back. `waited` is told
    how many seconds late each is worked on.
    """

    def __init__(self, waited: Callable[[float], None] = lambda _: None) -> None:
        self._clock = time.monotonic
        self._waited = waited
        self._due: dict[K, float] = {}
        self._heap: list[tuple[float, int, K]] = []
        self._count = 0
        self._busy: set[K] = set()
        self._changed = asyncio.Event()

    def add(self, key: K, delay: float = 0.0) -> None:
        """Have a key worked on in `delay` seconds at the latest."""
        due = self._clock() + delay
        if due < self._due.get(key, float("inf")):
            self._due[key] = due
            self._push(key, due)

    async def get(self) -> K:
        """Wait for a key that is due; the caller works on it until `done`."""
        while True:
            self._changed.clear()
            now = self._clock()
            while self._heap and self._heap[0][0] <= now:
                due, _, key = heapq.heappop(self._heap)
                if self._due.get(key) == due and key not in self._busy:
                    del self._due[key]
                    self._waited(now - due)
                    self._busy.add(key)
                    return key
            wait = self._heap[0][0] - now if self._heap else None
            # Not `wait_for`: below Python 3.12 a cancellation is lost on it that comes together with a key.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._changed.wait()

    @property
    def depth(self) -> int:
        """How many keys are due and not worked on; may be asked for in any thread."""
        now = self._clock()
        return sum(due <= now for key, due in list(self._due.items()) if key not in self._busy)

    def done(self, key: K) -> None:
        """Tell that the work on a key has ended, well or not."""
        self._busy.discard(key)
        if key in self._due:
            self._push(key, self._due[key])

    def _push(self, key: K, due: float) -> None:
        self._count += 1
        heapq.heappush(self._heap, (due, self._count, key))
        self._changed.set()
