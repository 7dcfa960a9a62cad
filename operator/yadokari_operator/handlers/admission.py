"""Which builds run and which wait for their turn, as far as this operator knows."""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from yadokari_api.keys import Key
from yadokari_operator.turns import Limits, Place, Waiting, next_ones, order


class Admission:
    """Lets builds begin as limits allow.

    `running` tells, once and before anybody is let in, whose pods run already; `changed` is told whose turn
    it has become. It may be used from several threads.
    """

    def __init__(
        self, limits: Limits, running: Callable[[], Iterable[Key]], changed: Callable[[Key], None]
    ) -> None:
        self._limits = limits
        self._list = running
        self._changed = changed
        self._lock = threading.Lock()
        self._running: set[Key] | None = None
        self._waiting: dict[Key, Waiting] = {}

    def ask(self, one: Waiting) -> Place | None:
        """Let a build begin, or tell its place in the queue. Raises `ClusterError`; ask again then."""
        if self._limits == Limits():
            return None
        with self._lock:
            running = self._known()
            self._waiting[one.key] = one
            if one.key in running or one.key in next_ones(self._queue(), self._counts(), self._limits):
                del self._waiting[one.key]
                running.add(one.key)
                return None
            places = list(order(self._queue(), self._counts()))
            return Place(places.index(one.key) + 1, len(places), len(running))

    def runs(self, key: Key) -> None:
        """Note that a build has a pod that has not ended."""
        if self._limits != Limits():
            with self._lock:
                self._known().add(key)
                self._waiting.pop(key, None)

    def rests(self, key: Key) -> None:
        """Note that a build neither runs nor wants to."""
        if self._limits == Limits():
            return
        with self._lock:
            self._known().discard(key)
            self._waiting.pop(key, None)
            turns = next_ones(self._queue(), self._counts(), self._limits)
        for other in turns:
            self._changed(other)

    def _known(self) -> set[Key]:
        if self._running is None:
            self._running = set(self._list())
        return self._running

    def _queue(self) -> list[Waiting]:
        return list(self._waiting.values())

    def _counts(self) -> Mapping[str, int]:
        return Counter(key.namespace for key in self._known())
