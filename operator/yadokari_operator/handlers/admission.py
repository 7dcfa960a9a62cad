"""Which builds run and which wait for their turn, as far as this operator knows."""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from yadokari_api.keys import Key
from yadokari_operator.turns import Limits, Place, Slot, Waiting, next_ones, order


class Admission:
    """Lets builds begin as limits allow.

    `running` tells, once and before anybody is let in, which pods run already; `changed` is told whose turn
    it has become. It may be used from several threads.
    """

    def __init__(
        self, limits: Limits, running: Callable[[], Iterable[Slot]], changed: Callable[[Key], None]
    ) -> None:
        self._limits = limits
        self._list = running
        self._changed = changed
        self._lock = threading.Lock()
        self._running: set[Slot] | None = None
        self._waiting: dict[Slot, Waiting] = {}

    def ask(self, one: Waiting, beside: Iterable[Slot] = ()) -> Place | None:
        """Let a build begin, or tell its place in the queue. Raises `ClusterError`; ask again then.

        `beside` the one that is asked for are those of its slots that have a pod that has not ended.
        """
        if self._limits == Limits():
            return None
        slot = one.slot
        with self._lock:
            kept = {*beside} | ({slot} & self._known())
            given_up = self._keep(slot.key, kept) - {slot}
            self._waiting[slot] = one
            is_in = slot in self._known() or slot in self._next()
            if is_in:
                del self._waiting[slot]
                self._known().add(slot)
            places = list(order(self._queue(), self._counts()))
            running = len(self._known())
            turns = self._next() if given_up else []
        self._call(turns)
        return None if is_in else Place(places.index(slot) + 1, len(places), running)

    def runs(self, key: Key, slots: Iterable[Slot]) -> None:
        """Note which slots of a build have a pod that has not ended; none of the others wants to begin."""
        if self._limits == Limits():
            return
        with self._lock:
            turns = self._next() if self._keep(key, set(slots)) else []
        self._call(turns)

    def rests(self, key: Key) -> None:
        """Note that a build neither runs nor wants to."""
        self.runs(key, ())

    def _keep(self, key: Key, slots: set[Slot]) -> set[Slot]:
        """Leave a build these slots, and no place in the queue; tells what it has given up."""
        known = self._known()
        freed = {slot for slot in known if slot.key == key} - slots
        left = {slot for slot in self._waiting if slot.key == key}
        known -= freed
        known |= slots
        for slot in left:
            del self._waiting[slot]
        return freed | left

    def _next(self) -> list[Slot]:
        return next_ones(self._queue(), self._counts(), self._limits)

    def _call(self, slots: Iterable[Slot]) -> None:
        for key in dict.fromkeys(slot.key for slot in slots):
            self._changed(key)

    def _known(self) -> set[Slot]:
        if self._running is None:
            self._running = set(self._list())
        return self._running

    def _queue(self) -> list[Waiting]:
        return list(self._waiting.values())

    def _counts(self) -> Mapping[str, int]:
        return Counter(slot.key.namespace for slot in self._known())
