"""Whose turn it is where builds at a time are limited: fair to namespaces, so that none starves another."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from yadokari_api.keys import Key


@dataclass(frozen=True, slots=True)
class NodeLimit:
    """How many builds may run at a time of those whose pods demand nodes with all of some labels."""

    labels: frozenset[tuple[str, str]]
    most: int


Pools = frozenset[int]
"""The node limits that concern a build, by their numbers."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How many builds may run at a time, in all, in each namespace and on some nodes; 0 is any number."""

    total: int = 0
    per_namespace: int = 0
    on_nodes: tuple[NodeLimit, ...] = ()

    def pools(self, selectors: Iterable[Mapping[str, str]]) -> Pools:
        """Tell which node limits concern a build whose pods have these node selectors."""
        chosen = [set(selector.items()) for selector in selectors]
        return frozenset(
            number
            for number, limit in enumerate(self.on_nodes)
            if any(limit.labels <= labels for labels in chosen)
        )

    def leave_room(self, running: "Counts", namespace: str, pools: Pools = frozenset()) -> bool:
        """Whether one more may run in a namespace and on some nodes beside those that do."""
        return (
            (not self.total or running.total < self.total)
            and (not self.per_namespace or running.namespaces[namespace] < self.per_namespace)
            and all(running.pools[number] < self.on_nodes[number].most for number in pools)
        )


@dataclass(slots=True)
class Counts:
    """How many builds run: in all, by namespace, and by node limit."""

    total: int = 0
    namespaces: Counter[str] = field(default_factory=Counter)
    pools: Counter[int] = field(default_factory=Counter)

    @classmethod
    def of(cls, running: Mapping["Slot", Pools]) -> "Counts":
        """Count what runs."""
        counts = cls()
        for slot, pools in running.items():
            counts.add(slot, pools)
        return counts

    def add(self, slot: "Slot", pools: Pools) -> None:
        """Count one more."""
        self.total += 1
        self.namespaces[slot.key.namespace] += 1
        self.pools.update(pools)


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
    pools: Pools = frozenset()


@dataclass(frozen=True, slots=True)
class Place:
    """A place in the queue, counted from 1, and how many builds run meanwhile."""

    position: int
    of: int
    running: int


def order(waiting: Collection[Waiting], running: Mapping[Slot, Pools]) -> Iterator[Waiting]:
    """Yield who is next, and so on: of the namespace with the fewest builds, running or before in the queue.

    Of namespaces that have equally many the one comes first whose first build has waited longest.
    """
    queues: dict[str, list[Waiting]] = {}
    for one in sorted(waiting, key=lambda it: (-it.priority, it.since, it.slot), reverse=True):
        queues.setdefault(one.slot.key.namespace, []).append(one)
    counts = Counter(slot.key.namespace for slot in running)
    while queues:
        namespace = min(queues, key=lambda name: (counts[name], queues[name][-1].since, name))
        counts[namespace] += 1
        yield queues[namespace].pop()
        if not queues[namespace]:
            del queues[namespace]


def next_ones(waiting: Collection[Waiting], running: Mapping[Slot, Pools], limits: Limits) -> list[Slot]:
    """Tell whose turn it is now: in order, all for whom there is room."""
    counts = Counts.of(running)
    chosen = []
    for one in order(waiting, running):
        if limits.leave_room(counts, one.slot.key.namespace, one.pools):
            counts.add(one.slot, one.pools)
            chosen.append(one.slot)
    return chosen
