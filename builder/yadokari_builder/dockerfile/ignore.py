"""Ignore patterns: .dockerignore and --exclude, as moby/patternmatcher has them.

    pattern := [ "!" ] component { "/" component }

`**` stands for any number of directories. The last pattern that matches a path, or one of the directories
that it is in, decides; `!` takes back what the patterns before it ignored. Paths are relative, with slashes.
"""

import posixpath
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import starmap

from yadokari_builder.dockerfile import filepath_match
from yadokari_builder.dockerfile.location import LanguageError
from yadokari_builder.dockerfile.whitespace import SPACE


@dataclass(frozen=True, slots=True)
class Pattern:
    """One pattern; `text` is cleaned and without the `!`."""

    text: str
    is_exception: bool
    regex: re.Pattern[str]

    @classmethod
    def parse(cls, text: str) -> "Pattern":
        """Read a pattern; raises LanguageError."""
        text = clean(text)
        if text == "!":
            raise LanguageError('illegal exclusion pattern: "!"', text)
        is_exception = text.startswith("!")
        text = text.removeprefix("!")
        filepath_match.compile_glob(text)  # refuses what is malformed
        return cls(text, is_exception, re.compile(pattern_regex(text), re.DOTALL))

    def matches(self, path: str) -> bool:
        """Tell whether the path itself matches."""
        return self.regex.fullmatch(path) is not None

    def may_match_below(self, directory: str) -> bool:
        """Tell whether something in `directory`, at any depth, may match although it does not itself."""
        components = self.text.split("/")
        parents = directory.split("/")
        if any("**" in component or "\\" in component or "[" in component for component in components):
            return True  # may reach over slashes; entering one directory too many does no harm
        together = zip(components, parents, strict=False)
        return len(components) > len(parents) and all(starmap(filepath_match.matches, together))


@dataclass(frozen=True, slots=True)
class Match:
    """Whether a path is ignored, and which patterns match it or a directory that it is in."""

    is_ignored: bool
    by_pattern: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class IgnorePatterns:
    """A list of patterns."""

    patterns: tuple[Pattern, ...] = ()

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
        is_ignored = False
        by_pattern = []
        for index, pattern in enumerate(self.patterns):
            matched = parent is not None and parent.by_pattern[index]
            # A pattern is of interest only where it would change the answer.
            if not matched and pattern.is_exception == is_ignored:
                matched = pattern.matches(path) or (parent is None and _matches_above(pattern, path))
            by_pattern.append(matched)
            if matched:
                is_ignored = not pattern.is_exception
        return Match(is_ignored, tuple(by_pattern))

    def may_hold_exceptions(self, directory: str) -> bool:
        """Tell whether an ignored directory must be entered all the same: a `!` may match below it."""
        return any(pattern.is_exception and pattern.may_match_below(directory) for pattern in self.patterns)


def _matches_above(pattern: Pattern, path: str) -> bool:
    while "/" in path:
        path = path.rpartition("/")[0]
        if pattern.matches(path):
            return True
    return False


def read_ignore_file(text: str) -> list[str]:
    """Return the patterns of an ignore file, cleaned: no comments, no blank lines, no leading slashes."""
    patterns = []
    for line in text.removeprefix("\ufeff").split("\n"):
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


def pattern_regex(pattern: str) -> str:
    """Return the regular expression of a pattern."""
    return wildcard_regex(pattern) or _text_regex(pattern)


def wildcard_regex(pattern: str) -> str | None:
    """Return the regular expression of a pattern, None if its one wildcard is a `**` at its start or end."""
    inner = pattern[2:] if pattern.startswith("**") else pattern.removesuffix("**")
    return "".join(_pieces(pattern)) if re.search(r"[*?\[\\]", inner) else None


def _text_regex(pattern: str) -> str:
    # A leading `**` without a slash reaches into names here, and only here.
    if not pattern.startswith("**"):
        text = pattern.removesuffix("**")
        return re.escape(text) + (".*" if text != pattern else "")
    text = pattern[2:]
    return f"(.*/)?{re.escape(text[1:])}" if text.startswith("/") else f".*{re.escape(text)}"


def _pieces(pattern: str) -> Iterator[str]:
    position = 0
    while position < len(pattern):
        if pattern.startswith("**", position):
            position += 3 if pattern.startswith("/", position + 2) else 2
            yield "(.*/)?" if position < len(pattern) else ".*"
        else:
            piece, position = filepath_match.parse_piece(pattern, position)
            yield piece
