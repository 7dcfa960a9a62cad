"""Follow the logs of executors that run: one connection and thread a pod, and what is shown of a build.

A log is followed from shortly before its end, where there is always a line that tells progress. One that
comes faster than anybody reads is not followed but looked at, its end alone, twice a second: so it costs the
same whatever is printed, and what is shown of it is not what was printed a minute ago.
"""

import logging
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from yadokari_api.keys import Key
from yadokari_contract.progress import REPEATED_AFTER, Progress
from yadokari_operator.cluster.api import ClusterError
from yadokari_operator.progress.reading import LogReader

logger = logging.getLogger(__name__)

_MOST = 500
"""Logs that are followed at once; further pods show no progress."""

_BETWEEN = 1.0
"""Seconds between two changes of what is shown of a build."""

_SILENCE = 60.0
"""Seconds without output after which it is connected anew: the connection may be dead, or the log rotated."""

_LINES = REPEATED_AFTER + 100
"""How many of a log's last lines have one among them that tells progress."""

_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 30.0

_LOUD = 256 << 10
"""Bytes in a second that are too much to follow."""

_LOOK_AGAIN = 0.5
"""Seconds between two looks at a loud log."""

_LOOKS = 16
"""How many looks follow each other, before it is seen whether the log has become quiet."""


class Logs(Protocol):
    """Where logs come from."""

    def log(
        self, namespace: str, pod: str, lines: int, silence: float, *, follow: bool
    ) -> AbstractContextManager[Iterator[bytes]]:
        """Read the last lines of a pod's log, each with its time, and `follow` it. Raises `ClusterError`."""


class Following:
    """Knows how far the builds are that run, as far as their logs tell.

    `changed` is told, from other threads, whose progress is to be looked at in how many seconds.
    """

    def __init__(self, logs: Logs, changed: Callable[[Key, float], None], most: int = _MOST) -> None:
        self._logs = logs
        self._most = most
        self._changed = changed
        self._lock = threading.Lock()
        self._builds: dict[Key, _Build] = {}

    def progress(self, key: Key, pods: Mapping[str, str]) -> Mapping[str, Progress]:
        """Tell how far the pods of a build have come that run, by name, and follow them from now on.

        `pods` has the UID of each by its name; where there are too many, the first ones are followed.
        """
        with self._lock:
            build = self._builds.setdefault(key, _Build(self._logs, key, self._changed))
            room = self._most - sum(len(it.logs) for it in self._builds.values() if it is not build)
            build.follow(dict(list(pods.items())[:room]))
            if not build.logs:
                del self._builds[key]
        return build.shown()

    def forget(self, key: Key) -> None:
        """Follow a build no longer: none of its pods runs."""
        self.progress(key, {})


class _Build:
    """The logs of a build's pods, and what is shown of them."""

    def __init__(self, source: Logs, key: Key, changed: Callable[[Key, float], None]) -> None:
        self.logs: dict[str, _Log] = {}
        self._source = source
        self._key = key
        self._changed = changed
        self._shown: dict[str, Progress] = {}
        self._shown_at = -math.inf

    def follow(self, pods: Mapping[str, str]) -> None:
        """Follow these pods, each with its UID, and no others."""
        for pod, log in list(self.logs.items()):
            if pods.get(pod) != log.uid:
                log.stopped.set()
                del self.logs[pod]
        for pod, uid in pods.items():
            if pod not in self.logs:
                log = self.logs[pod] = _Log(self._source, self._key, pod, uid, self._told)
                threading.Thread(
                    target=log.run, name=f"log of {self._key.namespace}/{pod}", daemon=True
                ).start()

    def shown(self) -> Mapping[str, Progress]:
        """Tell what is to be shown, which changes once a second at most; what is newer is asked for later."""
        latest = {pod: it for pod, log in self.logs.items() if (it := log.latest) is not None}
        shown = {pod: it for pod, it in self._shown.items() if pod in self.logs}
        if latest != shown:
            wait = self._shown_at + _BETWEEN - time.monotonic()
            if wait > 0:
                self._changed(self._key, wait)
            else:
                shown, self._shown_at = latest, time.monotonic()
        self._shown = shown
        return shown

    def _told(self) -> None:
        self._changed(self._key, max(0.0, self._shown_at + _BETWEEN - time.monotonic()))


class _Log:
    """The log of one pod; `told` is called when it tells something new."""

    def __init__(self, source: Logs, key: Key, pod: str, uid: str, told: Callable[[], None]) -> None:
        self.uid = uid
        self.stopped = threading.Event()
        self._source = source
        self._key = key
        self._pod = pod
        self._told = told
        self._reader = LogReader()

    @property
    def latest(self) -> Progress | None:
        """How far it has come."""
        return self._reader.latest

    def run(self) -> None:
        """Follow until told to stop."""
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
        """Follow until the server ends it; where more comes than can be followed, look for a while."""
        with self._open(follow=True) as pieces:
            size, second = 0, time.monotonic() + _BETWEEN
            for piece in pieces:
                if time.monotonic() >= second:
                    size, second = 0, time.monotonic() + _BETWEEN
                size += len(piece)
                if size > _LOUD:
                    break
            else:
                return
        for _ in range(_LOOKS):
            if not self.stopped.wait(_LOOK_AGAIN):
                self._look()

    def _look(self) -> None:
        """Read what was there when it was asked for: more comes as fast as it can be read."""
        with self._open(follow=False) as pieces:
            lines = 0
            for piece in pieces:
                lines += piece.count(b"\n")
                if lines >= _LINES:
                    return

    @contextmanager
    def _open(self, *, follow: bool) -> Iterator[Iterator[bytes]]:
        """Open the log at its last lines; pieces have been read for progress when they come."""
        self._reader.begin()
        with self._source.log(self._key.namespace, self._pod, _LINES, _SILENCE, follow=follow) as pieces:
            yield self._heard(pieces)

    def _heard(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            if self.stopped.is_set():
                return
            if self._reader.feed(piece):
                self._told()
            yield piece
