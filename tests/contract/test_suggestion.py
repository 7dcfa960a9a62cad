import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yadokari_contract.suggestion import suggest

WORDS = st.text("abC", max_size=6)


def distance(first: str, second: str) -> int:
    """The definition: as many edits as it takes."""
    if not (first and second):
        return len(first) + len(second)
    if first[0] == second[0]:
        return distance(first[1:], second[1:])
    return 1 + min(distance(first[1:], second[1:]), distance(first[1:], second), distance(first, second[1:]))


@pytest.mark.parametrize(
    ("word", "ignore_case", "expected"),
    [
        ("chwon", False, "chown"),
        ("form", False, "from"),
        ("nothing", False, ""),
        ("from", False, ""),
        ("FORM", False, ""),
        ("FORM", True, "FROM"),
        ("Form", True, "from"),
    ],
)
def test_the_closest_known_word_is_suggested(word: str, ignore_case: bool, expected: str) -> None:
    assert suggest(word, ["chown", "chmod", "from"], ignore_case=ignore_case) == expected


@given(WORDS, st.lists(WORDS))
def test_of_the_known_words_the_first_of_the_closest_is_suggested(word: str, known: list[str]) -> None:
    distances = [distance(word, option) for option in known]
    closest = min(distances, default=3)
    expected = known[distances.index(closest)] if closest in (1, 2) else ""
    assert suggest(word, known) == expected


def test_a_thousand_mistyped_words_take_little_time() -> None:
    known = {f"DEFINED_NUMBER_{number}": "" for number in range(3_000)}
    started = time.process_time()
    for number in range(1_000):
        suggest(f"DEFINED_NUMBXR_{number:04}", known)
    assert time.process_time() - started < 3
