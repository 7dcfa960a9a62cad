from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yadokari_api.keys import Key
from yadokari_operator.cluster.api import ClusterError
from yadokari_operator.handlers.admission import Admission
from yadokari_operator.turns import Limits, NodeLimit, Place, Pools, Waiting

A, B, C = (Key("team", name) for name in "abc")


def since(key: Key, second: int = 0) -> Waiting:
    return Waiting(key, f"2026-01-02T03:04:{second:02}Z")


def admission(limits: Limits, *running: Key) -> tuple[Admission, list[Key]]:
    changed: list[Key] = []
    listed = [(key, frozenset[int]()) for key in running]
    return Admission(limits, lambda: listed, changed.append), changed


def test_without_limits_everybody_begins_and_nobody_is_counted() -> None:
    def listed() -> Iterator[tuple[Key, Pools]]:
        raise AssertionError("nobody is to be asked")

    free = Admission(Limits(), listed, lambda _: None)
    assert free.ask(since(A)) is None
    free.runs(B)
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
    listed = [(A, limits.pools([{"pool": pool}])) for pool in "ab"]
    turns = Admission(limits, lambda: listed, lambda _: None)
    for pool in "ab":
        waits = Waiting(B, "2026-01-02T03:04:05Z", 0, limits.pools([{"pool": pool}]))
        assert turns.ask(waits) == Place(1, 1, 1)


def test_a_server_that_does_not_answer_is_asked_again() -> None:
    answers = [False, True]

    def listed() -> list[tuple[Key, Pools]]:
        if not answers.pop(0):
            raise ClusterError("no", status=500)
        return [(A, frozenset())]

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
            turns.runs(key)
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
