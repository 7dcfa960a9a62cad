r"""Ignore patterns: .dockerignore and --exclude, as moby/patternmatcher has them.

    pattern := [ "!" ] component { "/" component }

`**` stands for any number of directories. The last pattern that matches a path, or one of the directories
that it is in, decides; `!` takes back what the patterns before it ignored. Paths are relative, with slashes.

A pattern with wildcards becomes a regular expression of Go, and what has a meaning there and none here
(`|`, `^`, `{2}`, `\d`) has that meaning: moby/patternmatcher leaves it as it is.
"""

import posixpath
from collections.abc import Iterable
from dataclasses import dataclass, field

from yadokari_builder.dockerfile import filepath_match, regexp
from yadokari_builder.dockerfile.automaton import Automaton
from yadokari_builder.dockerfile.encoding import as_characters
from yadokari_builder.dockerfile.location import LanguageError
from yadokari_builder.dockerfile.regexp import Place
from yadokari_builder.dockerfile.whitespace import SPACE

MAX_LINE = 65535
"""The longest line of an ignore file, in bytes (Go: bufio.MaxScanTokenSize - 1)."""

_ESCAPED = ".+()$"


@dataclass(frozen=True, slots=True)
class Pattern:
    """One pattern; `text` is cleaned and without the `!`."""

    text: str
    is_exception: bool
    expression: regexp.Expression

    @classmethod
    def parse(cls, text: str) -> "Pattern":
        """Read a pattern; raises LanguageError."""
        text = clean(text)
        if text == "!":
            raise LanguageError('illegal exclusion pattern: "!"', text)
        is_exception = text.startswith("!")
        text = text.removeprefix("!")
        try:
            filepath_match.refuse_malformed(text)
            return cls(text, is_exception, _expression(text))
        except LanguageError:
            raise LanguageError(f"syntax error in pattern: {text}", text) from None


@dataclass(frozen=True, slots=True)
class Match:
    """Whether a path is ignored; `by_pattern` has a bit for each pattern that matches it or what it is in."""

    is_ignored: bool = False
    by_pattern: int = 0


@dataclass(frozen=True, slots=True)
class IgnorePatterns:
    """A list of patterns."""

    patterns: tuple[Pattern, ...] = ()
    _automaton: Automaton = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        automaton = Automaton(pattern.expression for pattern in self.patterns)
        object.__setattr__(self, "_automaton", automaton)

    @classmethod
    def parse(cls, text: str) -> "IgnorePatterns":
        """Read an ignore file; raises LanguageError."""
        return cls.of(read_ignore_file(text))

    @classmethod
    def of(cls, patterns: Iterable[str]) -> "IgnorePatterns":
        """Read patterns, such as the values of --exclude; raises LanguageError."""
        stripped = (pattern.strip(SPACE) for pattern in patterns)
        return cls(tuple(Pattern.parse(pattern) for pattern in stripped if pattern))

    @property
    def has_exceptions(self) -> bool:
        """Whether there are patterns with `!`."""
        return any(pattern.is_exception for pattern in self.patterns)

    def matches(self, path: str) -> bool:
        """Tell whether a path is ignored, by itself or with a directory that it is in."""
        return self.match(path).is_ignored

    def match(self, path: str, parent: Match | None = None) -> Match:
        """Return what the patterns say of a path.

        Whoever walks a tree passes what they said of the directory that the path is in; without it every
        directory above the path is looked at.
        """
        inherited = parent.by_pattern if parent else 0
        matched = self._automaton.run(path).matched if parent else self._matched_on_the_way(path)
        waiting = matched | inherited
        is_ignored = False
        by_pattern = 0
        while waiting:
            lowest = waiting & -waiting
            waiting ^= lowest
            is_exception = self.patterns[lowest.bit_length() - 1].is_exception
            # A pattern is of interest only where it would change the answer.
            if inherited & lowest or is_exception == is_ignored:
                by_pattern |= lowest
                is_ignored = not is_exception
        return Match(is_ignored, by_pattern)

    def may_hold_exceptions(self, directory: str) -> bool:
        """Tell whether an ignored directory must be entered all the same: a `!` may match below it."""
        alive = self._automaton.run(f"{directory}/").alive
        return any(pattern.is_exception and alive >> index & 1 for index, pattern in enumerate(self.patterns))

    def _matched_on_the_way(self, path: str) -> int:
        matched = 0
        state = self._automaton.start
        for character in path:
            if character == "/":
                matched |= state.matched
            state = state[character]
        return matched | state.matched


def read_ignore_file(text: str) -> list[str]:
    """Return the patterns of an ignore file, cleaned: no comments, no blank lines, no leading slashes.

    Raises LanguageError.
    """
    patterns = []
    for line in text.removeprefix("\ufeff").split("\n"):
        if len(line) > MAX_LINE or len(line.encode(errors="surrogateescape")) > MAX_LINE:
            raise LanguageError(f"a line of the ignore file has more than {MAX_LINE} bytes")
        pattern = line.strip(SPACE)
        if line.startswith("#") or not pattern:
            continue
        mark = "!" if pattern.startswith("!") else ""
        pattern = pattern.removeprefix("!").strip(SPACE)
        cleaned = clean(pattern) if pattern else ""
        patterns.append(mark + (cleaned.removeprefix("/") or cleaned))
    return patterns


def clean(path: str) -> str:
    """Return the shortest equal path (Go: `path.Clean`)."""
    cleaned = posixpath.normpath(path)
    return "/" + cleaned.lstrip("/") if cleaned.startswith("//") else cleaned


def _expression(pattern: str) -> regexp.Expression:
    if regex := wildcard_regex(pattern):
        return regexp.parse(regex)
    if pattern.startswith("**/"):
        folders = regexp.Sequence((regexp.ANYTHING, regexp.literal("/")))
        rest = regexp.literal(pattern.removeprefix("**/"))
        return regexp.Sequence((Place.START, regexp.Repeat(folders, 0, 1), rest, Place.END))
    if pattern.startswith("**"):
        # A leading `**` without a slash reaches into names here, and only here.
        return regexp.Sequence((regexp.literal(pattern.removeprefix("**")), Place.END))
    if pattern.endswith("**"):
        return regexp.Sequence((Place.START, regexp.literal(pattern.removesuffix("**"))))
    return regexp.Sequence((Place.START, regexp.literal(pattern), Place.END))


def wildcard_regex(pattern: str) -> str:
    """Return the regular expression that moby/patternmatcher makes of a pattern.

    Empty if there is no wildcard but a `**` at its start or end, which it compares as text.
    """
    text = as_characters(pattern.removeprefix("\ufeff"))
    regex = "^"
    is_regex = False
    position = 0
    while position < len(text):
        character = text[position]
        start = position
        position += 1
        if text.startswith("**", start):
            position += 2 if text.startswith("/", start + 2) else 1
            is_last = position == len(text)
            if not is_last or is_regex or (start and text.startswith("**")):
                regex += ".*" if is_last else "(.*/)?"
                is_regex = start > 0
        elif character in "*?":
            regex += "[^/]*" if character == "*" else "[^/]"
            is_regex = True
        elif character == "\\":
            regex += text[start : start + 2]
            is_regex = is_regex or position < len(text)
            position += 1
        else:
            regex += f"\\{character}" if character in _ESCAPED else character
            is_regex = is_regex or character in "[]"
    return f"{regex}$" if is_regex else ""
