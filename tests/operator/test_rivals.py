from hypothesis import given
from hypothesis import strategies as st

from yadokari_api.keys import Key
from yadokari_operator.handlers.rivals import Rivals

A, B, C = Key("one", "a"), Key("one", "b"), Key("two", "c")


def test_who_pushes_to_the_same_place_is_told_to_each() -> None:
    rivals = Rivals()
    assert rivals.replace(A, {"x", "y"}) == frozenset()
    assert rivals.replace(B, {"y"}) == {A}
    assert rivals.replace(C, {"y", "z"}) == {A, B}
    assert rivals.of(A) == {"y": (B, C)}
    assert rivals.of(C) == {"y": (A, B)}


def test_who_does_not_any_more_concerns_the_others_and_nobody_twice() -> None:
    rivals = Rivals()
    rivals.replace(A, {"y"})
    rivals.replace(B, {"y"})
    assert rivals.replace(B, {"y"}) == frozenset()
    assert rivals.replace(B, ()) == {A}
    assert rivals.of(A) == {}


def test_many_that_push_to_one_place_are_not_all_told_of_one_more() -> None:
    rivals = Rivals()
    told = [len(rivals.replace(Key("one", str(number)), {"x"})) for number in range(100)]
    assert max(told) < 10
    assert len(rivals.of(A)) == 0
    rivals.replace(A, {"x"})
    assert len(rivals.of(A)["x"]) == 100


steps = st.lists(st.tuples(st.sampled_from([A, B, C]), st.frozensets(st.sampled_from("xyz"))), max_size=20)


@given(steps)
def test_the_index_is_what_was_noted_last(noted: list[tuple[Key, frozenset[str]]]) -> None:
    rivals = Rivals()
    seen = dict.fromkeys([A, B, C], frozenset[str]())
    for key, places in noted:
        before = {other: rivals.of(other) for other in seen}
        concerned = rivals.replace(key, places)
        seen[key] = places
        for other in seen:
            expected = {
                place: tuple(sorted(it for it in seen if it != other and place in seen[it]))
                for place in seen[other]
            }
            assert rivals.of(other) == {place: keys for place, keys in expected.items() if keys}
            if other != key and rivals.of(other) != before[other]:
                assert other in concerned
