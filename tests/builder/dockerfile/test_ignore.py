import re
import time
from dataclasses import replace

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
        match = ignore.match(above, match or Match())
        if length < len(names):
            # As in BuildKit, what would not have changed the answer for a folder is not handed down.
            alone = (IgnorePatterns((replace(pattern, is_exception=False),)) for pattern in ignore.patterns)
            matched = sum(one.match(above, Match()).by_pattern << at for at, one in enumerate(alone))
            assume(not matched & ~match.by_pattern)
    assert match is not None
    assert match.is_ignored == ignore.matches(path)


def test_an_exception_for_a_folder_that_is_not_ignored_saves_nothing_in_it_in_a_walk() -> None:
    ignore = IgnorePatterns.of(["a/a", "!a"])
    assert ignore.match("a/a", ignore.match("a", Match())).is_ignored
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


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("a*|b", "ax/y", True),
        ("a*|b", "x/b", True),
        ("a|b", "a|b", True),  # without a wildcard it is text
        ("a|b", "a", False),
        ("a{2}*", "aax", True),
        ("a{2}*", "a{2}x", False),
        ("a{2}", "aa", False),
        ("?{3}", "abc", True),
        ("x^*", "x^y", False),
        ("\\d*", "1", True),
        ("\\d", "7", True),
        ("a\\bc", "abc", False),
        ("a+(b).$", "a+(b).$", True),
        ("*+(b).$", "a+(b).$", True),
        ("[[:digit:]]x", "1x", True),
        ("[*]", "*", False),  # within brackets the star is replaced, too: one of [^/, then a bracket
        ("[*]", "^/]", True),
        ("[?]", "]", False),
        ("a]*", "a]b", True),
        ("**a|b", "xa|b", True),
        ("a/**|b", "b", True),
        ("**/x", "a\nb/x", True),
        ("**/x*", "a\nb/x", False),  # `.` matches no line end
        ("b*[-a]", "bx-", True),  # never read by Go's syntax check, and fine for the regular expression
    ],
)
def test_what_means_something_in_go_s_regular_expressions_means_it_here(
    pattern: str, path: str, expected: bool
) -> None:
    assert IgnorePatterns.of([pattern]).matches(path) is expected


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "pattern", ["**/" + "a*" * 30 + "b", "**/x" * 30 + "/y", "*a" * 30, "a*" * 30 + "|z"]
)
def test_time_grows_with_the_path_and_not_with_what_wildcards_may_stand_for(pattern: str) -> None:
    ignore = IgnorePatterns.of([pattern])
    started = time.process_time()
    assert not ignore.matches("/".join(["x", "a" * 1_000] * 2))
    assert time.process_time() - started < 5


def test_a_thousand_patterns_take_hardly_more_time_than_ten() -> None:
    ignore = IgnorePatterns.of(f"**/name{number}" for number in range(1_000))
    started = time.process_time()
    assert sum(ignore.matches(f"a/b{number % 50}/name{number}/c") for number in range(5_000)) == 1_000
    assert time.process_time() - started < 2


def test_a_line_of_an_ignore_file_may_have_65535_bytes_and_no_more() -> None:
    assert read_ignore_file("é" * 32767 + "a") == ["é" * 32767 + "a"]
    with pytest.raises(LanguageError, match="more than 65535 bytes"):
        read_ignore_file("a\n" + "é" * 32768)


def test_an_ignore_file_is_cleaned_up() -> None:
    text = "\ufeff/a\r\n# no\n\n ! /b/../c/ \n # yes\n!\n/\n"
    assert read_ignore_file(text) == ["a", "!/c".replace("/", ""), "# yes", "!", "/"]


def test_a_leading_slash_in_an_ignore_file_means_nothing() -> None:
    assert IgnorePatterns.parse("/a\n").matches("a")


@pytest.mark.parametrize(
    "pattern", ["!", "[", "a[b", "a\\", "[b-a", "[b-a]", "*{2}", "a*[", "a\\q*", "a\\pL", "?{1001}"]
)
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
