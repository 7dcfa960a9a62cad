"""A queue of keys: each at most once in it, each worked on by one worker at a time."""

import asyncio
import contextlib
import heapq
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

K = TypeVar("K")

_AT_A_STRETCH = 8


@dataclass(frozen=True, slots=True)
class _Turn:
    """When a key is due, and whether others may go before it."""

    due: float
    patient: bool


_NEVER = _Turn(float("inf"), patient=True)


class WorkQueue(Generic[K]):
    """Keys and the times at which they are due.

    A key added while it is worked on is due again when that work is done, so that no event is lost and no
    key is worked on twice at once. Adding a key that waits brings it forward, never back. Those that are
    `patient` are looked at in case something was missed: they let others go first, but not for ever. `waited`
    is told how many seconds late each is worked on.
    """

    def __init__(self, waited: Callable[[float], None] = lambda _: None) -> None:
        self._clock = time.monotonic
        self._waited = waited
        self._turns: dict[K, _Turn] = {}
        self._later: list[tuple[float, int, K, _Turn]] = []
        self._count = 0
        self._prompt: deque[tuple[K, _Turn]] = deque()
        self._patient: deque[tuple[K, _Turn]] = deque()
        self._stretch = 0
        self._busy: set[K] = set()
        self._changed = asyncio.Event()

    def add(self, key: K, delay: float = 0.0, *, patient: bool = False) -> None:
        """Have a key worked on in `delay` seconds at the latest, or when it is its turn after that."""
        known = self._turns.get(key, _NEVER)
        turn = _Turn(min(self._clock() + delay, known.due), patient and known.patient)
        if turn != known:
            self._turns[key] = turn
            self._push(key, turn)

    async def get(self) -> K:
        """Wait for a key that is due; the caller works on it until `done`."""
        while True:
            self._changed.clear()
            now = self._clock()
            while self._later and self._later[0][0] <= now:
                _, _, key, turn = heapq.heappop(self._later)
                (self._patient if turn.patient else self._prompt).append((key, turn))
            while lane := self._next_lane():
                key, turn = lane.popleft()
                if self._turns.get(key) == turn and key not in self._busy:
                    self._stretch = 0 if turn.patient else self._stretch + 1
                    del self._turns[key]
                    self._waited(now - turn.due)
                    self._busy.add(key)
                    return key
            wait = self._later[0][0] - now if self._later else None
            # Not `wait_for`: below Python 3.12 a cancellation is lost on it that comes together with a key.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._changed.wait()

    @property
    def depth(self) -> int:
        """How many keys are due and not worked on; may be asked for in any thread."""
        now = self._clock()
        return sum(turn.due <= now for key, turn in list(self._turns.items()) if key not in self._busy)

    def done(self, key: K) -> None:
        """Tell that the work on a key has ended, well or not."""
        self._busy.discard(key)
        if key in self._turns:
            self._push(key, self._turns[key])

    def _next_lane(self) -> deque[tuple[K, _Turn]]:
        is_their_turn = not self._prompt or self._stretch >= _AT_A_STRETCH
        return self._patient if self._patient and is_their_turn else self._prompt

    def _push(self, key: K, turn: _Turn) -> None:
        self._count += 1
        heapq.heappush(self._later, (turn.due, self._count, key, turn))
        self._changed.set()
