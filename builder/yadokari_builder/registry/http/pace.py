"""Telling a transfer that would never end from one that is merely slow."""

import time
from collections.abc import Callable
from dataclasses import dataclass


class TooSlowError(OSError):
    """The other side sends or takes so little that the transfer is given up; another may be quicker."""


@dataclass(frozen=True, slots=True)
class Patience:
    """What is waited for: `floor` bytes a second on average over `window` seconds, `total` seconds in all.

    Only time that is spent waiting counts.
    """

    floor: float = 4096
    window: float = 60
    total: float = 6 * 3600
    clock: Callable[[], float] = time.monotonic


@dataclass(slots=True)
class Pace:
    """How quickly one transfer goes."""

    patience: Patience
    _seconds: float = 0
    _bytes: int = 0
    _total: float = 0

    def now(self) -> float:
        """Return the time, for `note`."""
        return self.patience.clock()

    def note(self, started: float, size: int) -> None:
        """Note that `size` bytes were waited for since `started`; raises `TooSlowError`."""
        seconds = self.now() - started
        self._seconds += seconds
        self._bytes += size
        self._total += seconds
        if self._total > self.patience.total:
            raise TooSlowError(f"it is not through after {self.patience.total:g} seconds of waiting")
        if self._seconds < self.patience.window:
            return
        if self._bytes < self.patience.floor * self._seconds:
            raise TooSlowError(
                f"it goes on with less than {self.patience.floor:.0f} bytes a second"
                f" ({self._bytes} in {self._seconds:.0f} seconds)"
            )
        self._seconds, self._bytes = 0, 0
