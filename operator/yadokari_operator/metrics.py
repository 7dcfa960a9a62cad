"""What Prometheus is told: of the queue, of builds and their parts, of the operator's own work.

Labels have few values: reasons and parts are those of our tables, and of namespaces so many count each for
itself, the others together.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from yadokari_api.keys import Key
from yadokari_api.reasons import StateReason
from yadokari_api.status import Status
from yadokari_contract.reasons import Reason

_NAMESPACES = 500
_OTHER = "other"
_REASONS = frozenset(map(str, (*Reason, *StateReason)))
_PARTS = frozenset({"plan", "build", "cache", "write", "push"})
_SHORT = (0.005, 0.02, 0.1, 0.5, 2, 10, 60)
_LONG = (0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)


class Metrics:
    """Counts and times; for use from several threads.

    `clock` tells the time in seconds, from any beginning.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.registry = registry = CollectorRegistry()
        self._clock = clock
        self._namespaces: set[str] = set()
        self._phases: dict[Key, tuple[str, str]] = {}
        self._builds = Counter(
            "yadokari_builds", "Builds that have ended.", ["namespace", "result", "reason"], registry=registry
        )
        self._attempts = Counter(
            "yadokari_failed_attempts",
            "Attempts after which another one follows.",
            ["reason"],
            registry=registry,
        )
        self._waiting = Gauge(
            "yadokari_builds_in_phase",
            "ImageBuilds by status.phase, and by why they are in it.",
            ["phase", "reason"],
            registry=registry,
        )
        self._seconds = Histogram(
            "yadokari_build_seconds",
            "From its first pod to its end.",
            ["result"],
            buckets=_LONG,
            registry=registry,
        )
        self._parts = Histogram(
            "yadokari_build_part_seconds", "Parts of builds, as executors time them.", ["part"],
            buckets=_LONG, registry=registry,
        )  # fmt: skip
        self._start = Histogram(
            "yadokari_pod_start_seconds", "From the making of a build's first pod until its executor runs.",
            buckets=_LONG, registry=registry,
        )  # fmt: skip
        self._turn = Histogram(
            "yadokari_turn_seconds", "From when a build is asked for until it gets its first pod.",
            buckets=_LONG, registry=registry,
        )  # fmt: skip
        self._steps = Counter(
            "yadokari_steps",
            "Steps that were looked for in a cache, and were there (hit) or not (miss).",
            ["cache"],
            registry=registry,
        )
        self._saved = Counter(
            "yadokari_saved_seconds", "How long steps that a cache had took when they were done.",
            registry=registry,
        )  # fmt: skip
        self._reconcile = Histogram(
            "yadokari_reconcile_seconds",
            "One look at an ImageBuild.",
            ["result"],
            buckets=_SHORT,
            registry=registry,
        )
        self._api = Counter(
            "yadokari_api_errors", "Requests that the server refused or failed, by HTTP status (or 0).",
            ["status"], registry=registry,
        )  # fmt: skip
        self._depth = Gauge(
            "yadokari_queue_depth", "ImageBuilds that are to be looked at now.", registry=registry
        )
        self._queue = Histogram(
            "yadokari_queue_seconds", "How long they wait for that.", buckets=_SHORT, registry=registry
        )
        self._age = Gauge(
            "yadokari_watch_age_seconds", "Since the server was last heard about a kind.", ["kind"],
            registry=registry,
        )  # fmt: skip
        for cache in ("hit", "miss"):
            self._steps.labels(cache)

    def waiting(self, depth: Callable[[], int]) -> None:
        """Take from a function how many ImageBuilds are to be looked at now."""
        self._depth.set_function(depth)

    def waited(self, seconds: float) -> None:
        """Count one that was looked at after so many seconds."""
        self._queue.observe(seconds)

    @contextmanager
    def reconciling(self) -> Iterator[None]:
        """Time a look at an ImageBuild."""
        began = self._clock()
        result = "error"
        try:
            yield
            result = "done"
        finally:
            self._reconcile.labels(result).observe(self._clock() - began)

    def failed(self, status: int) -> None:
        """Count an answer of the API server that is an error."""
        self._api.labels(str(status)).inc()

    def heard(self, kind: str) -> None:
        """Note that the server was heard about a kind of resource."""
        at = self._clock()
        self._age.labels(kind).set_function(lambda: self._clock() - at)

    def gone(self, key: Key) -> None:
        """Note that an ImageBuild is no more."""
        self._in_phase(key, None)

    def seen(self, key: Key, before: Status, now: Status, time: datetime) -> None:
        """Count what happened to an ImageBuild between two statuses, the later of which is stored."""
        self._in_phase(key, (now.phase, _known(now.reason, _REASONS)))
        if (now.phase, now.reason, now.run) == (before.phase, before.reason, before.run):
            return
        run = now.run
        if run.attempt and not (before.run.attempt and before.run.number == run.number) and run.queued_at:
            self._turn.observe(_seconds(run.queued_at, time))
        if now.phase == "Building" and before.phase != "Building" and run.attempt == 1 and run.started_at:
            self._start.observe(_seconds(run.started_at, time))
        if now.phase == "Retrying":
            self._attempts.labels(_known(now.reason, _REASONS)).inc()
        if now.finished and not (before.finished and before.run.number == run.number):
            self._ended(key, now)

    def _ended(self, key: Key, now: Status) -> None:
        if key.namespace not in self._namespaces and len(self._namespaces) < _NAMESPACES:
            self._namespaces.add(key.namespace)
        namespace = _known(key.namespace, self._namespaces)
        self._builds.labels(namespace, now.phase, _known(now.reason, _REASONS)).inc()
        if now.run.started_at and now.run.finished_at:
            spent = _seconds(now.run.started_at, datetime.fromisoformat(now.run.finished_at))
            self._seconds.labels(now.phase).observe(spent)
        for part in now.phases:
            if part.name in _PARTS:
                self._parts.labels(part.name).observe(part.seconds)
        if now.steps:
            _add(self._steps.labels("hit"), now.steps.cached)
            _add(self._steps.labels("miss"), now.steps.missed)
            _add(self._saved, now.steps.saved_seconds)

    def _in_phase(self, key: Key, phase: tuple[str, str] | None) -> None:
        before = self._phases.pop(key, None)
        if phase is not None:
            self._phases[key] = phase
        if before is not None and before != phase:
            self._waiting.labels(*before).dec()
        if phase is not None and before != phase:
            self._waiting.labels(*phase).inc()


def _add(counter: Counter, amount: float | None) -> None:
    """Count what a status tells, which may be one that somebody else wrote: a counter never goes back."""
    counter.inc(max(0, amount or 0))


def _known(value: str, known: frozenset[str] | set[str]) -> str:
    return value if value in known else _OTHER


def _seconds(since: str, until: datetime) -> float:
    return max(0.0, (until - datetime.fromisoformat(since)).total_seconds())
