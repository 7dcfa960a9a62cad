"""Trying again after temporary errors, for a bounded number of times."""

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from yadokari_builder.errors import RegistryError

logger = logging.getLogger(__name__)

T = TypeVar("T")


class ThrottledError(RegistryError):
    """A registry asks to come back after `retry_after` seconds."""

    def __init__(self, message: str, *, status: int, codes: tuple[str, ...], retry_after: float) -> None:
        super().__init__(message, status=status, codes=codes, temporary=True)
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often something is tried, and the seconds between: `first_delay`, doubled each time.

    Half of a delay is left to `chance` (0 to 1), so that many builds which failed at once do not come back
    at once. A registry that asks for a longer wait than `max_delay` is not waited for.
    """

    attempts: int = 5
    first_delay: float = 0.5
    max_delay: float = 60
    sleep: Callable[[float], None] = time.sleep
    chance: Callable[[], float] = random.random

    def at_least(self, retries: int) -> "RetryPolicy":
        """Return the policy with no fewer than so many tries after the first."""
        return replace(self, attempts=max(self.attempts, 1 + retries))

    def run(self, action: Callable[[], T]) -> T:
        """Return what `action` returns; its last `RegistryError` if it never succeeds."""
        attempt = 1
        while True:
            try:
                return action()
            except RegistryError as error:
                delay = self._delay(error, attempt)
                if delay is None:
                    raise
                logger.info("%s; trying again in %.1f s", error, delay)
            self.sleep(delay)
            attempt += 1

    def _delay(self, error: RegistryError, attempt: int) -> float | None:
        if not error.temporary or attempt >= self.attempts:
            return None
        delay = min(self.first_delay * 2 ** min(attempt - 1, 30), self.max_delay) * (1 + self.chance()) / 2
        if isinstance(error, ThrottledError):
            delay = max(delay, error.retry_after)
        return delay if delay <= self.max_delay else None
