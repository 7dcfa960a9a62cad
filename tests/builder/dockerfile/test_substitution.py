import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yadokari_builder.dockerfile.location import LanguageError
from yadokari_builder.dockerfile.substitution import remove_prefix, remove_suffix, replace_all, replace_first

GLOBS = st.text("ab*?\n", max_size=6)
VALUES = st.text("ab\n", max_size=8)


def fits(glob: str, text: str) -> bool:
    """The definition: a star tries every length, without line ends."""
    if not glob:
        return not text
    if glob[0] == "*":
        return fits(glob[1:], text) or (text[:1] not in ("", "\n") and fits(glob, text[1:]))
    same = text[:1] not in ("", "\n") if glob[0] == "?" else text[:1] == glob[0]
    return same and fits(glob[1:], text[1:])


def ends(glob: str, value: str, start: int = 0) -> list[int]:
    return [end for end in range(start, len(value) + 1) if fits(glob, value[start:end])]


@given(VALUES, GLOBS)
def test_what_is_removed_is_the_shortest_or_the_longest_match(value: str, glob: str) -> None:
    starts = [start for start in range(len(value) + 1) if fits(glob, value[start:])]
    assert remove_prefix(value, glob) == value[min(ends(glob, value), default=0) :]
    assert remove_prefix(value, f"#{glob}") == value[max(ends(glob, value), default=0) :]
    assert remove_suffix(value, glob) == value[: max(starts, default=len(value))]
    assert remove_suffix(value, f"%{glob}") == value[: min(starts, default=len(value))]


@given(VALUES, GLOBS)
def test_what_is_replaced_is_the_leftmost_match_and_the_longest_there(value: str, glob: str) -> None:
    starts = [start for start in range(len(value) + 1) if ends(glob, value, start)]
    expected = value
    if starts:
        expected = f"{value[: starts[0]]}X{value[max(ends(glob, value, starts[0])) :]}"
    assert replace_first(value, glob, "X") == expected


@pytest.mark.parametrize(
    ("value", "glob", "replacement", "expected"),
    [
        ("abab", "a", "X", "XbXb"),
        ("ab\nab", "a*b", "X", "X\nX"),
        ("aab", "", "X", "XaXaXbX"),
        ("aab", "a*", "X", "X"),
        ("ab", "?", "$0$$", "$0$$$0$$"),
        ("ab", "a\nb", "X", "ab"),
    ],
)
def test_every_match_is_replaced(value: str, glob: str, replacement: str, expected: str) -> None:
    assert replace_all(value, glob, replacement) == expected


@pytest.mark.timeout(60)
@pytest.mark.parametrize("glob", ["*a*a*a*a*a*a*b", "a*a*a*a*a*a*a*b", "?*" * 20 + "b", "a*b"])
def test_time_grows_with_the_value_and_not_with_what_stars_may_stand_for(glob: str) -> None:
    value = "a" * 20_000
    started = time.process_time()
    assert remove_prefix(value, glob) == remove_prefix(value, f"#{glob}") == value
    assert remove_suffix(value, glob) == remove_suffix(value, f"%{glob}") == value
    assert replace_all(value, glob, "") == replace_first(value, glob, "") == value
    assert time.process_time() - started < 5


def test_what_grows_without_end_is_refused() -> None:
    with pytest.raises(LanguageError, match="more than 1048576 characters"):
        replace_all("a" * 10_000, "a", "b" * 10_000)
