import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yadokari_builder.dockerfile.filepath_match import has_wildcards, matches
from yadokari_builder.dockerfile.location import LanguageError


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("*", "", True),
        ("a*c", "abbc", True),
        ("a*c", "ab/c", False),
        ("a?c", "a/c", False),
        ("*/b", "a/b", True),
        ("**", "a/b", False),
        ("[a-c]x", "bx", True),
        ("[^a-c]x", "bx", False),
        ("[^a]", "/", True),
        ("[c-a]", "b", False),
        ("[\\]\\-]", "-", True),
        ("[a[]", "[", True),
        ("\\*", "*", True),
        ("\\*", "a", False),
        ("a.b", "axb", False),
        ("{a,b}", "a", False),
        ("é?", "éü", True),
        ("a\n*", "a\nb", True),
        ("*ab*b", "abab", True),
        ("*ab*ab*", "ab", False),
        ("*?c", "abc", True),
        ("a**", "a", True),
        ("*[^a]*y", "b/y", False),  # a class may match a slash, but is taken where it matches first
    ],
)
def test_names_match_as_in_go(pattern: str, name: str, expected: bool) -> None:
    assert matches(pattern, name) is expected


@given(st.text("ab*?/", max_size=8), st.text("ab/", max_size=8))
def test_names_match_as_by_the_definition(pattern: str, name: str) -> None:
    assert matches(pattern, name) is slow_match(pattern, name)


def slow_match(pattern: str, name: str) -> bool:
    if not pattern:
        return not name
    if pattern[0] == "*":
        return slow_match(pattern[1:], name) or (name[:1] not in ("", "/") and slow_match(pattern, name[1:]))
    fits = name[:1] not in ("", "/") if pattern[0] == "?" else name[:1] == pattern[0]
    return fits and slow_match(pattern[1:], name[1:])


@pytest.mark.timeout(60)
@pytest.mark.parametrize("pattern", ["*a" * 50 + "b", "a*" * 50 + "b", "*" * 50 + "[^a]"])
def test_time_grows_with_the_name_and_not_with_what_stars_may_stand_for(pattern: str) -> None:
    started = time.process_time()
    assert not matches(pattern, "a" * 4_000)
    assert time.process_time() - started < 1


@pytest.mark.parametrize(
    "pattern", ["[", "[]", "[^]", "[a", "[a-", "[-a]", "[a-]", "[]a]", "a\\", "[\\", "[a\\"]
)
def test_malformed_patterns_are_refused_whatever_the_name_is(pattern: str) -> None:
    with pytest.raises(LanguageError, match="syntax error in pattern"):
        matches(pattern, "x")


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [("a", False), ("a*", True), ("a?", True), ("[a]", True), ("a\\*", False), ("a\\\\*", True)],
)
def test_wildcards_count_where_they_are_not_escaped(pattern: str, expected: bool) -> None:
    assert has_wildcards(pattern) is expected
