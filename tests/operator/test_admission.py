from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yadokari_api.keys import Key
from yadokari_operator.cluster.api import ClusterError
from yadokari_operator.handlers.admission import Admission
from yadokari_operator.turns import Limits, NodeLimit, Place, Pools, Slot, Waiting

A, B, C = (Key("team", name) for name in "abc")


def since(key: Key, second: int = 0) -> Waiting:
    return Waiting(Slot(key), f"2026-01-02T03:04:{second:02}Z")


def admission(limits: Limits, *running: Key) -> tuple[Admission, list[Key]]:
    changed: list[Key] = []
    listed = [(Slot(key), frozenset[int]()) for key in running]
    return Admission(limits, lambda: listed, changed.append), changed


def test_without_limits_everybody_begins_and_nobody_is_counted() -> None:
    def listed() -> Iterator[tuple[Slot, Pools]]:
        raise AssertionError("nobody is to be asked")

    free = Admission(Limits(), listed, lambda _: None)
    assert free.ask(since(A)) is None
    free.runs(B, {Slot(B): frozenset()})
    free.rests(A)


def test_who_finds_no_room_is_told_a_place_and_called_when_there_is() -> None:
    turns, changed = admission(Limits(total=1))
    assert turns.ask(since(A)) is None
    assert turns.ask(since(B, 1)) == Place(1, 1, 1)
    assert turns.ask(since(C, 2)) == Place(2, 2, 1)
    assert turns.ask(since(A)) is None
    turns.rests(A)
    assert changed == [B]
    assert turns.ask(since(C, 2)) == Place(2, 2, 0)
    assert turns.ask(since(B, 1)) is None


def test_what_runs_when_the_operator_starts_is_counted() -> None:
    turns, _ = admission(Limits(total=1), A)
    assert turns.ask(since(B)) == Place(1, 1, 1)


def test_of_a_build_with_several_pods_all_nodes_count() -> None:
    limits = Limits(on_nodes=tuple(NodeLimit(frozenset({("pool", it)}), 1) for it in "ab"))
    listed = [(Slot(A, f"linux-{pool}"), limits.pools([{"pool": pool}])) for pool in "ab"]
    turns = Admission(limits, lambda: listed, lambda _: None)
    for pool in "ab":
        waits = Waiting(Slot(B), "2026-01-02T03:04:05Z", 0, limits.pools([{"pool": pool}]))
        assert turns.ask(waits) == Place(1, 1, 2)


def test_a_server_that_does_not_answer_is_asked_again() -> None:
    answers = [False, True]

    def listed() -> list[tuple[Slot, Pools]]:
        if not answers.pop(0):
            raise ClusterError("no", status=500)
        return [(Slot(A), frozenset())]

    turns = Admission(Limits(total=1), listed, lambda _: None)
    with pytest.raises(ClusterError):
        turns.ask(since(B))
    assert turns.ask(since(B)) == Place(1, 1, 1)


def test_who_waits_no_more_leaves_the_queue() -> None:
    turns, changed = admission(Limits(total=1), A)
    turns.ask(since(B))
    turns.ask(since(C, 1))
    turns.rests(B)
    assert changed == []
    assert turns.ask(since(C, 1)) == Place(1, 1, 1)


def test_each_platform_of_a_build_counts_and_its_turn_comes_when_another_one_has_ended() -> None:
    turns, changed = admission(Limits(total=2))
    first, second, third = (Slot(A, part) for part in ("linux-amd64", "linux-arm64", "linux-riscv64"))
    when, no_pools = since(A).since, frozenset[int]()
    assert turns.ask(Waiting(first, when)) is None
    assert turns.ask(Waiting(second, when), {first: no_pools}) is None
    both = {first: no_pools, second: no_pools}
    assert turns.ask(Waiting(third, when), both) == Place(1, 1, 2)
    assert turns.ask(since(B, 1)) == Place(2, 2, 2)
    assert turns.ask(Waiting(third, when), {second: no_pools}) is None
    assert changed == []
    turns.runs(A, {third: no_pools})
    assert changed == [B]


def test_a_platform_that_ended_makes_room_for_another_build_while_its_own_goes_on() -> None:
    turns, changed = admission(Limits(total=1))
    only, other = Slot(A, "linux-amd64"), Slot(A, "linux-arm64")
    assert turns.ask(Waiting(only, since(A, 5).since)) is None
    assert turns.ask(since(B, 1)) == Place(1, 1, 1)
    assert turns.ask(Waiting(other, since(A, 5).since)) == Place(2, 2, 0)
    assert changed == [B]


steps = st.lists(
    st.tuples(
        st.sampled_from(["ask", "runs", "rests"]),
        st.builds(Key, st.sampled_from("xy"), st.sampled_from("123")),
    )
)


@given(st.integers(1, 3), st.integers(0, 2), steps)
def test_whoever_is_called_gets_in_and_nobody_waits_for_ever(
    total: int, per_namespace: int, taken: list[tuple[str, Key]]
) -> None:
    limits = Limits(total, per_namespace)
    turns, called = admission(limits)
    waits: set[Key] = set()
    runs: set[Key] = set()
    for step, key in taken:
        called.clear()
        if step == "rests":
            turns.rests(key)
            waits.discard(key)
            runs.discard(key)
        elif step == "runs" and key in runs:
            turns.runs(key, {Slot(key): frozenset()})
        elif turns.ask(since(key)) is None:
            waits.discard(key)
            runs.add(key)
        else:
            waits.add(key)
        for other in list(called):
            assert other in waits
            assert turns.ask(since(other)) is None
            waits.discard(other)
            runs.add(other)
        assert len(runs) <= total
    for key in list(runs):
        called.clear()
        turns.rests(key)
        for other in list(called):
            assert turns.ask(since(other)) is None
            waits.discard(other)
            turns.rests(other)
