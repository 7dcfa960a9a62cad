"""Follow the logs of executors that run: one connection and one thread a build, and what is shown of each."""

import logging
import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Protocol

from yadokari_api.keys import Key
from yadokari_contract.progress import Progress
from yadokari_operator.cluster.api import ClusterError
from yadokari_operator.progress.reading import LogReader

logger = logging.getLogger(__name__)

_MOST = 500
"""Builds that are followed at once; further ones show no progress."""

_BETWEEN = 1.0
"""Seconds between two changes of what is shown of a build."""

_SILENCE = 60.0
"""Seconds without output after which it is connected anew: the connection may be dead, or the log rotated."""

_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 30.0
_OVERLAP = 5

# What a build may print faster than it is read waits on its node, so that no build can take all of our time.
_BURST = 128 << 20
_PER_SECOND = 16 << 20


class Logs(Protocol):
    """Where logs come from."""

    def log(
        self, namespace: str, pod: str, since: int | None, silence: float
    ) -> AbstractContextManager[Iterator[bytes]]:
        """Follow the log of a pod, from its beginning or from so many seconds ago. Raises `ClusterError`."""


class Following:
    """Knows how far the builds are that run, as far as their logs tell.

    `changed` is told, from other threads, whose progress is to be looked at in how many seconds.
    """

    def __init__(self, logs: Logs, changed: Callable[[Key, float], None]) -> None:
        self._logs = logs
        self._changed = changed
        self._lock = threading.Lock()
        self._followed: dict[Key, _Followed] = {}

    def progress(self, key: Key, pod: str, uid: str) -> Progress | None:
        """Tell how far the pod of a build has come that runs, and follow it from now on."""
        with self._lock:
            followed = self._followed.get(key)
            if followed is None or followed.uid != uid:
                self._end(key)
                if len(self._followed) >= _MOST:
                    return None
                followed = self._followed[key] = _Followed(self._logs, key, pod, uid, self._changed)
                threading.Thread(target=followed.run, name=f"log of {key}", daemon=True).start()
        return followed.shown()

    def forget(self, key: Key) -> None:
        """Follow a build no longer: none of its pods runs."""
        with self._lock:
            self._end(key)

    def _end(self, key: Key) -> None:
        if followed := self._followed.pop(key, None):
            followed.stopped.set()


class _Followed:
    """The log of one pod."""

    def __init__(
        self, logs: Logs, key: Key, pod: str, uid: str, changed: Callable[[Key, float], None]
    ) -> None:
        self.uid = uid
        self.stopped = threading.Event()
        self._logs = logs
        self._key = key
        self._pod = pod
        self._changed = changed
        self._reader = LogReader()
        self._shown: Progress | None = None
        self._shown_at = -math.inf
        self._heard_at: float | None = None

    def shown(self) -> Progress | None:
        """Tell what is to be shown, which changes once a second at most; what is newer is asked for later."""
        latest = self._reader.latest
        if latest != self._shown:
            wait = self._shown_at + _BETWEEN - time.monotonic()
            if wait > 0:
                self._changed(self._key, wait)
            else:
                self._shown, self._shown_at = latest, time.monotonic()
        return self._shown

    def run(self) -> None:
        """Follow until told to stop, or until the server says that there is nothing to follow."""
        pause = _FIRST_PAUSE
        while not self.stopped.is_set():
            try:
                self._follow()
                pause = _FIRST_PAUSE
            except ClusterError as error:
                logger.debug("%s: following the log of %s again: %s", self._key, self._pod, error)
                pause = min(2 * pause, _LONGEST_PAUSE)
            except Exception:
                # Whatever it is that a step printed: no bug here may do more than lose what is shown.
                logger.exception("%s: the log of %s is followed no longer", self._key, self._pod)
                return
            self.stopped.wait(pause)

    def _follow(self) -> None:
        since = None
        if self._heard_at is not None:
            since = math.ceil(time.monotonic() - self._heard_at) + _OVERLAP
        began = time.monotonic()
        total = 0
        with self._logs.log(self._key.namespace, self._pod, since, _SILENCE) as pieces:
            self._heard_at = began
            for piece in pieces:
                if self.stopped.is_set():
                    return
                self._heard_at = time.monotonic()
                if self._reader.feed(piece):
                    self._changed(self._key, max(0.0, self._shown_at + _BETWEEN - self._heard_at))
                total += len(piece)
                ahead = (total - _BURST) / _PER_SECOND - (self._heard_at - began)
                if ahead > 0:
                    self.stopped.wait(ahead)
