"""Which builds run and which wait for their turn, as far as this operator knows."""

import threading
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

from yadokari_api.keys import Key
from yadokari_operator.turns import Limits, Place, Pools, Slot, Waiting, next_ones, order

Running = Mapping[Slot, Pools]

_NONE: Running = MappingProxyType({})


class Admission:
    """Lets builds begin as limits allow.

    `running` tells, once and before anybody is let in, which pods run already; `changed` is told whose turn
    it has become. It may be used from several threads.
    """

    def __init__(
        self,
        limits: Limits,
        running: Callable[[], Iterable[tuple[Slot, Pools]]],
        changed: Callable[[Key], None],
    ) -> None:
        self._limits = limits
        self._list = running
        self._changed = changed
        self._lock = threading.Lock()
        self._running: dict[Slot, Pools] | None = None
        self._waiting: dict[Slot, Waiting] = {}

    def ask(self, one: Waiting, beside: Running = _NONE) -> Place | None:
        """Let a build begin, or tell its place in the queue. Raises `ClusterError`; ask again then.

        `beside` the one that is asked for are those of its slots that have a pod that has not ended.
        """
        if self._limits == Limits():
            return None
        slot = one.slot
        with self._lock:
            kept = {slot: self._known()[slot]} if slot in self._known() else {}
            given_up = self._keep(slot.key, {**kept, **beside}) - {slot}
            self._waiting[slot] = one
            is_in = slot in self._known() or slot in self._next()
            if is_in:
                del self._waiting[slot]
                self._known()[slot] = one.pools
            places = [it.slot for it in order(self._waiting.values(), self._known())]
            running = len(self._known())
            turns = self._next() if given_up else []
        self._call(turns)
        return None if is_in else Place(places.index(slot) + 1, len(places), running)

    def runs(self, key: Key, slots: Running) -> None:
        """Note which slots of a build have a pod that has not ended; none of the others wants to begin."""
        if self._limits == Limits():
            return
        with self._lock:
            turns = self._next() if self._keep(key, slots) else []
        self._call(turns)

    def rests(self, key: Key) -> None:
        """Note that a build neither runs nor wants to."""
        self.runs(key, {})

    def _keep(self, key: Key, slots: Running) -> set[Slot]:
        """Leave a build these slots, and no place in the queue; tells what it has given up."""
        known = self._known()
        freed = {slot for slot in known if slot.key == key} - slots.keys()
        left = {slot for slot in self._waiting if slot.key == key}
        for slot in freed:
            del known[slot]
        known.update(slots)
        for slot in left:
            del self._waiting[slot]
        return freed | left

    def _call(self, slots: Iterable[Slot]) -> None:
        for key in dict.fromkeys(slot.key for slot in slots):
            self._changed(key)

    def _known(self) -> dict[Slot, Pools]:
        if self._running is None:
            running: dict[Slot, Pools] = {}
            for slot, pools in self._list():
                running[slot] = pools | running.get(slot, frozenset())
            self._running = running
        return self._running

    def _next(self) -> list[Slot]:
        return next_ones(self._waiting.values(), self._known(), self._limits)
