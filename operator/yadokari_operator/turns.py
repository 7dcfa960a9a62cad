"""Whose turn it is where builds at a time are limited: fair to namespaces, so that none starves another."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from yadokari_api.keys import Key


@dataclass(frozen=True, slots=True)
class Limits:
    """How many builds may run at a time, in all and in each namespace; 0 is any number."""

    total: int = 0
    per_namespace: int = 0

    def leave_room(self, running: Mapping[str, int], namespace: str) -> bool:
        """Whether one more may run in a namespace beside those that run, by namespace."""
        return (not self.total or sum(running.values()) < self.total) and (
            not self.per_namespace or running.get(namespace, 0) < self.per_namespace
        )


@dataclass(frozen=True, slots=True, order=True)
class Slot:
    """What counts against limits: a pod of a build, or that of each of its platforms, by `part`."""

    key: Key
    part: str = ""


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits for its turn `since` a time (RFC 3339, UTC); the highest `priority` goes first."""

    slot: Slot
    since: str
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the queue, counted from 1, and how many builds run meanwhile."""

    position: int
    of: int
    running: int


def order(waiting: Collection[Waiting], running: Mapping[str, int]) -> Iterator[Slot]:
    """Yield who is next, and so on: of the namespace with the fewest builds, running or before in the queue.

    Of namespaces that have equally many the one comes first whose first build has waited longest.
    """
    queues: dict[str, list[Waiting]] = {}
    for one in sorted(waiting, key=lambda it: (-it.priority, it.since, it.slot), reverse=True):
        queues.setdefault(one.slot.key.namespace, []).append(one)
    counts = Counter(running)
    while queues:
        namespace = min(queues, key=lambda name: (counts[name], queues[name][-1].since, name))
        counts[namespace] += 1
        yield queues[namespace].pop().slot
        if not queues[namespace]:
            del queues[namespace]


def next_ones(waiting: Collection[Waiting], running: Mapping[str, int], limits: Limits) -> list[Slot]:
    """Tell whose turn it is now: in order, all for whom there is room."""
    counts = Counter(running)
    chosen = []
    for slot in order(waiting, running):
        if limits.leave_room(counts, slot.key.namespace):
            counts[slot.key.namespace] += 1
            chosen.append(slot)
    return chosen
