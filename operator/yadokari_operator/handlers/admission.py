"""Which builds run and which wait for their turn, as far as this operator knows."""

import threading
from collections.abc import Callable, Iterable

from yadokari_api.keys import Key
from yadokari_operator.turns import Limits, Place, Pools, Waiting, next_ones, order


class Admission:
    """Lets builds begin as limits allow.

    `running` tells, once and before anybody is let in, which builds have pods already, a build with several
    of them several times; `changed` is told whose turn it has become. It may be used from several threads.
    """

    def __init__(
        self,
        limits: Limits,
        running: Callable[[], Iterable[tuple[Key, Pools]]],
        changed: Callable[[Key], None],
    ) -> None:
        self._limits = limits
        self._list = running
        self._changed = changed
        self._lock = threading.Lock()
        self._running: dict[Key, Pools] | None = None
        self._waiting: dict[Key, Waiting] = {}

    def ask(self, one: Waiting) -> Place | None:
        """Let a build begin, or tell its place in the queue. Raises `ClusterError`; ask again then."""
        if self._limits == Limits():
            return None
        with self._lock:
            running = self._known()
            self._waiting[one.key] = one
            if one.key in running or one.key in self._next():
                del self._waiting[one.key]
                running[one.key] = one.pools
                return None
            places = [it.key for it in order(self._waiting.values(), running)]
            return Place(places.index(one.key) + 1, len(places), len(running))

    def runs(self, key: Key, pools: Pools = frozenset()) -> None:
        """Note that a build has a pod that has not ended."""
        if self._limits != Limits():
            with self._lock:
                self._known()[key] = pools
                self._waiting.pop(key, None)

    def rests(self, key: Key) -> None:
        """Note that a build neither runs nor wants to."""
        if self._limits == Limits():
            return
        with self._lock:
            self._known().pop(key, None)
            self._waiting.pop(key, None)
            turns = self._next()
        for other in turns:
            self._changed(other)

    def _known(self) -> dict[Key, Pools]:
        if self._running is None:
            running: dict[Key, Pools] = {}
            for key, pools in self._list():
                running[key] = pools | running.get(key, frozenset())
            self._running = running
        return self._running

    def _next(self) -> list[Key]:
        return next_ones(self._waiting.values(), self._known(), self._limits)
