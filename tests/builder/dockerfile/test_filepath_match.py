import pytest

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
    ],
)
def test_names_match_as_in_go(pattern: str, name: str, expected: bool) -> None:
    assert matches(pattern, name) is expected


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
