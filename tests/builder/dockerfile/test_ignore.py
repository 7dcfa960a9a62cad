import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from yadokari_builder.dockerfile.ignore import IgnorePatterns, Match, clean, read_ignore_file
from yadokari_builder.dockerfile.location import LanguageError

COMPONENTS = st.sampled_from(["a", "b", "ab", "*", "**", "a*", "?", "*b", "[ab]", "[^a]", ".a", "a.b", "\\*"])
PATTERNS = st.builds(
    lambda mark, components: mark + "/".join(components),
    st.sampled_from(["", "", "!"]),
    st.lists(COMPONENTS, min_size=1, max_size=4),
)
NAMES = st.sampled_from(["a", "b", "ab", "ba", ".a", "a.b", "axb", "*"])
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)


def slow_match(components: list[str], names: list[str]) -> bool:
    """The reference: `**` tries every number of directories, one component after another."""
    if not components:
        return not names
    first, *rest = components
    if first == "**":
        return bool(not rest or any(slow_match(rest, names[skipped:]) for skipped in range(len(names) + 1)))
    return bool(names) and slow_component(first, names[0]) and slow_match(rest, names[1:])


def slow_component(component: str, name: str) -> bool:
    if not component:
        return not name
    if component[0] == "*":
        return any(slow_component(component[1:], name[skipped:]) for skipped in range(len(name) + 1))
    if not name:
        return False
    if component[0] == "[":
        inside, _, rest = component[1:].partition("]")
        member = name[0] not in inside[1:] if inside[0] == "^" else name[0] in inside
        return member and slow_component(rest, name[1:])
    escaped = component[0] == "\\"
    same = component[escaped] == name[0] or (component[0] == "?")
    return same and slow_component(component[1 + escaped :], name[1:])


def slowly_ignored(patterns: list[str], path: str) -> bool:
    names = path.split("/")
    ignored = False
    for pattern in patterns:
        components = pattern.removeprefix("!").split("/")
        # A `**` at the end takes one name at least: `a/**` does not match `a`.
        needs_more = len(components) > 1 and components[-1] == "**"
        prefixes = [names[:length] for length in range(1, len(names) + 1)]
        if needs_more:
            matched = any(
                slow_match(components[:-1], prefix[:cut]) for prefix in prefixes for cut in range(len(prefix))
            )
        else:
            matched = any(slow_match(components, prefix) for prefix in prefixes)
        if matched:
            ignored = not pattern.startswith("!")
    return ignored


@given(st.lists(PATTERNS, max_size=5), PATHS)
def test_matching_agrees_with_a_slow_reference(patterns: list[str], path: str) -> None:
    assert IgnorePatterns.of(patterns).matches(path) == slowly_ignored(patterns, path)


@given(st.lists(PATTERNS, max_size=5), PATHS)
def test_a_walk_that_hands_down_matches_comes_to_the_same(patterns: list[str], path: str) -> None:
    ignore = IgnorePatterns.of(patterns)
    names = path.split("/")
    match: Match | None = None
    for length in range(1, len(names) + 1):
        above = "/".join(names[:length])
        match = ignore.match(above, match or Match(False, (False,) * len(ignore.patterns)))
        if length < len(names):
            # As in BuildKit, what would not have changed the answer for a folder is not handed down.
            handed_down = zip(ignore.patterns, match.by_pattern, strict=True)
            assume(all(is_known or not pattern.matches(above) for pattern, is_known in handed_down))
    assert match is not None
    assert match.is_ignored == ignore.matches(path)


def test_an_exception_for_a_folder_that_is_not_ignored_saves_nothing_in_it_in_a_walk() -> None:
    ignore = IgnorePatterns.of(["a/a", "!a"])
    assert ignore.match("a/a", ignore.match("a", Match(False, (False, False)))).is_ignored
    assert not ignore.matches("a/a")


@given(st.lists(PATTERNS, max_size=5), PATHS)
def test_a_directory_that_may_be_skipped_holds_nothing_that_is_not_ignored(
    patterns: list[str], path: str
) -> None:
    ignore = IgnorePatterns.of(patterns)
    directory = path.rpartition("/")[0]
    if directory and ignore.matches(directory) and not ignore.may_hold_exceptions(directory):
        assert ignore.matches(path)


@pytest.mark.parametrize(
    ("patterns", "path", "expected"),
    [
        (["a"], "a/b/c", True),
        (["a", "!a/b"], "a/b/c", False),
        (["a", "!a/b", "a/b/c"], "a/b/c", True),
        (["**/*.go"], "x/y.go", True),
        (["**/*.go"], "y.go", True),
        (["*.go"], "x/y.go", False),
        (["**x"], "a/bx", True),
        (["a/**"], "a", False),
        (["/a"], "a", False),
        (["a/../b"], "b", True),
        (["a.b"], "axb", False),
        ([" a "], "a", True),
    ],
)
def test_patterns_ignore_paths(patterns: list[str], path: str, expected: bool) -> None:
    assert IgnorePatterns.of(patterns).matches(path) is expected


def test_an_ignore_file_is_cleaned_up() -> None:
    text = "\ufeff/a\r\n# no\n\n ! /b/../c/ \n # yes\n!\n/\n"
    assert read_ignore_file(text) == ["a", "!/c".replace("/", ""), "# yes", "!", "/"]


def test_a_leading_slash_in_an_ignore_file_means_nothing() -> None:
    assert IgnorePatterns.parse("/a\n").matches("a")


@pytest.mark.parametrize("pattern", ["!", "[", "a[b", "a\\", "[b-a"])
def test_malformed_patterns_are_refused(pattern: str) -> None:
    with pytest.raises(LanguageError, match=re.escape(pattern)):
        IgnorePatterns.of([pattern])


def test_an_exception_far_below_keeps_directories_open() -> None:
    ignore = IgnorePatterns.of(["*", "!a/b/c"])
    assert [ignore.may_hold_exceptions(path) for path in ("a", "a/b", "a/b/c", "b")] == [
        True,
        True,
        False,
        False,
    ]
    assert ignore.has_exceptions


@pytest.mark.parametrize(
    ("path", "expected"), [("a//b/", "a/b"), ("./a/..", "."), ("//a", "/a"), ("", "."), ("../a", "../a")]
)
def test_paths_are_cleaned_as_go_does(path: str, expected: str) -> None:
    assert clean(path) == expected
