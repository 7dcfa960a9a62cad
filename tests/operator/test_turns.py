from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yadokari_api.keys import Key
from yadokari_operator.turns import Counts, Limits, NodeLimit, Pools, Slot, Waiting, next_ones, order


def waiting(*names: str) -> list[Waiting]:
    """Builds as NAMESPACE/NAME, each since a second later than the one before."""
    return [
        Waiting(Slot(Key(*name.split("/"))), f"2026-01-02T03:04:{second:02}Z")
        for second, name in enumerate(names)
    ]


def names(found: Iterable[Slot | Waiting]) -> list[str]:
    return [str((one.slot if isinstance(one, Waiting) else one).key) for one in found]


def running(**counts: int) -> dict[Slot, Pools]:
    """So many builds that run in each namespace."""
    return {
        Slot(Key(name, f"running-{number}")): frozenset()
        for name, count in counts.items()
        for number in range(count)
    }


def test_who_has_waited_longest_is_next() -> None:
    assert names([*order(waiting("a/1", "a/2", "a/3"), {})]) == ["a/1", "a/2", "a/3"]


def test_a_namespace_with_many_builds_does_not_starve_another() -> None:
    many = waiting("a/1", "a/2", "a/3", "a/4", "b/1", "c/1")
    assert names([*order(many, {})])[:3] == ["a/1", "b/1", "c/1"]
    assert names([*order(many, running(a=1))])[:2] == ["b/1", "c/1"]


def test_of_a_namespace_the_highest_priority_goes_first() -> None:
    first, second = waiting("a/1", "a/2")
    urgent = Waiting(second.slot, second.since, priority=1)
    assert names([*order([first, urgent], {})]) == ["a/2", "a/1"]


def test_a_namespace_at_its_limit_leaves_its_turn_to_others() -> None:
    queue = waiting("a/1", "a/2", "b/1")
    assert names(next_ones(queue, running(a=1), Limits(per_namespace=1))) == ["b/1"]
    assert names(next_ones(queue, {}, Limits(total=5, per_namespace=1))) == ["a/1", "b/1"]


def test_no_more_begin_than_there_is_room_for() -> None:
    assert next_ones(waiting("a/1"), running(b=2), Limits(total=2)) == []
    assert names(next_ones(waiting("a/1", "a/2", "a/3"), running(b=1), Limits(total=3))) == ["a/1", "a/2"]


GPU = Limits(on_nodes=(NodeLimit(frozenset({("pool", "gpu")}), 1),))
ON_GPU = GPU.pools([{"pool": "gpu", "zone": "a"}])


def test_builds_for_nodes_that_are_limited_leave_their_turn_to_others() -> None:
    first, second, other = waiting("a/1", "a/2", "a/3")
    queue = [replace(first, pools=ON_GPU), replace(second, pools=ON_GPU), other]
    assert names(next_ones(queue, {}, GPU)) == ["a/1", "a/3"]
    assert names(next_ones(queue, {Slot(Key("b", "1")): ON_GPU}, GPU)) == ["a/3"]


@pytest.mark.parametrize(
    ("selectors", "concerned"),
    [
        ([{}], False),
        ([{"pool": "gpus"}], False),
        ([{"pool": "gpu"}], True),
        ([{"zone": "a"}, {"zone": "b", "pool": "gpu"}], True),
    ],
)
def test_a_limit_of_nodes_concerns_who_demands_their_labels(
    selectors: list[dict[str, str]], concerned: bool
) -> None:
    assert GPU.pools(selectors) == ({0} if concerned else set())


@pytest.mark.parametrize("limits", [Limits(), Limits(total=100)])
def test_where_there_is_room_all_begin(limits: Limits) -> None:
    assert len(next_ones(waiting("a/1", "b/1", "a/2"), {}, limits)) == 3


keys = st.builds(
    Slot,
    st.builds(Key, st.sampled_from("abc"), st.sampled_from("12345678")),
    st.sampled_from(["", "linux-amd64", "linux-arm64"]),
)
queues = st.dictionaries(
    keys, st.tuples(st.sampled_from(["2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z"]), st.integers(-2, 2))
).map(lambda found: [Waiting(key, *rest) for key, rest in found.items()])
counts = st.dictionaries(st.sampled_from("abc"), st.integers(0, 4)).map(lambda found: running(**found))
on_nodes = st.lists(
    st.builds(NodeLimit, st.just(frozenset({("pool", "gpu")})), st.integers(1, 4)), max_size=2
)
limits_of = st.builds(Limits, st.integers(0, 8), st.integers(0, 4), on_nodes.map(tuple))


@given(queues, counts)
def test_everybody_is_in_the_queue_once_and_its_order_does_not_depend_on_who_came_to_be_known_first(
    queue: list[Waiting], running: dict[Slot, Pools]
) -> None:
    found = list(order(queue, running))
    assert sorted(one.slot for one in found) == sorted(one.slot for one in queue)
    assert found == list(order(queue[::-1], running))


@given(queues, counts, limits_of, st.data())
def test_limits_are_kept_and_no_room_is_left_while_somebody_could_use_it(
    queue: list[Waiting], running: dict[Slot, Pools], limits: Limits, data: st.DataObject
) -> None:
    pools = st.sampled_from(sorted(({}, {"pool": "gpu"}), key=str)).map(lambda it: limits.pools([it]))
    queue = [replace(one, pools=data.draw(pools)) for one in queue]
    chosen = next_ones(queue, running, limits)
    after = Counts.of(running | {one.slot: one.pools for one in queue if one.slot in chosen})
    if chosen:
        assert not limits.total or after.total <= limits.total
        assert all(
            not limits.per_namespace or after.namespaces[slot.key.namespace] <= limits.per_namespace
            for slot in chosen
        )
    assert all(after.pools[number] <= limit.most for number, limit in enumerate(limits.on_nodes))
    for one in queue:
        if one.slot not in chosen:
            assert not limits.leave_room(after, one.slot.key.namespace, one.pools)


@given(queues, counts)
def test_no_namespace_gets_two_turns_ahead_of_another_that_waits(
    queue: list[Waiting], running: dict[Slot, Pools]
) -> None:
    got = Counter(slot.key.namespace for slot in running)
    left = Counter(one.slot.key.namespace for one in queue)
    for one in order(queue, running):
        key = one.slot.key
        others = [got[namespace] for namespace in left if left[namespace]]
        assert got[key.namespace] <= min(others)
        got[key.namespace] += 1
        left[key.namespace] -= 1
