"""Workers: take keys from the queue, reconcile them in threads, and come back to those that failed."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from yadokari_api.keys import Key
from yadokari_operator.cluster.api import ClusterError
from yadokari_operator.handlers.queue import WorkQueue

logger = logging.getLogger(__name__)

_NOT_FOUND = 404
_CONFLICT = 409
_FIRST_DELAY = 1.0
_LONGEST_DELAY = 60.0


class Workers:
    """Some workers over one queue; `reconcile` is run in threads and tells when to look at the key again."""

    def __init__(self, queue: WorkQueue[Key], reconcile: Callable[[Key], float | None]) -> None:
        self._queue = queue
        self._reconcile = reconcile
        self._failures: dict[Key, int] = {}

    async def run(self, workers: int) -> None:
        """Work until cancelled; what is worked on at that time is brought to its end."""
        # Threads of their own: those of the loop are as few as its machine has processors.
        with ThreadPoolExecutor(workers, "worker") as threads:
            async with asyncio.TaskGroup() as group:
                for _ in range(workers):
                    group.create_task(self._work(threads))

    async def _work(self, threads: ThreadPoolExecutor) -> None:
        while True:
            key = await self._queue.get()
            attempt = asyncio.get_running_loop().run_in_executor(threads, self._attempt, key)
            try:
                again = await asyncio.shield(attempt)
            except asyncio.CancelledError:
                await attempt
                raise
            self._queue.done(key)
            if again is not None:
                self._queue.add(key, again)

    def _attempt(self, key: Key) -> float | None:
        """Reconcile a key; a failure, whatever it is, concerns this key alone and is tried again."""
        try:
            again = self._reconcile(key)
        except ClusterError as error:
            delay = max(self._backoff(key), error.wait)
            # What was looked at may have gone meanwhile; the next look finds so.
            gone = error.status == _NOT_FOUND and self._failures[key] == 1
            level = logging.DEBUG if gone or error.status == _CONFLICT else logging.WARNING
            logger.log(level, "%s: trying again in %.0f s: %s", key, delay, error)
            return delay
        except Exception:
            delay = self._backoff(key)
            logger.exception("%s: trying again in %.0f s after an error of the operator itself", key, delay)
            return delay
        self._failures.pop(key, None)
        return again

    def _backoff(self, key: Key) -> float:
        self._failures[key] = self._failures.get(key, 0) + 1
        return min(_FIRST_DELAY * 2.0 ** (self._failures[key] - 1), _LONGEST_DELAY)
