"""Heredocs: `<<NAME` in RUN, COPY and ADD, and the lines up to NAME.

    mark := [ digits ] "<<" [ "-" ] [ white space ] word

A quoted word asks for no expansion, `-` takes leading tabs off.
"""

import re
from dataclasses import dataclass

from yadokari_builder.dockerfile.expander import Quotes
from yadokari_builder.dockerfile.location import LanguageError
from yadokari_builder.dockerfile.words import process

_MARK = re.compile(r"([0-9]*)<<(-?)[ \t\n\f\r]*+([^<]*+)")
_LEADING_TABS = re.compile(r"^\t+", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Mark:
    """Announces a heredoc: it ends at the line `name`; `chomp` is the `-`."""

    name: str
    expand: bool
    chomp: bool
    file_descriptor: int = 0


@dataclass(frozen=True, slots=True)
class Body:
    """A heredoc as it stands in the source, with leading tabs still there."""

    mark: Mark
    content: str


def parse_mark(word: str) -> Mark | None:
    """Read a word as a heredoc's mark, None if it is none; raises LanguageError for open quotes."""
    match = _MARK.fullmatch(word)
    if not match or not match[3]:
        return None
    names = process(match[3], {}, keep_unset=True).words
    if len(names) != 1:
        return None
    quoted = process(match[3], {}, quotes=Quotes.KEEP, keep_unset=True).words
    expand = _count_quotes(names[0]) == _count_quotes(quoted[0])
    # A descriptor too large for Go's uint64 is cut to its largest value; nothing uses it.
    return Mark(names[0], expand, bool(match[2]), int(match[1][:20] or 0))


def is_mark(word: str) -> bool:
    """Tell whether a word is a heredoc's mark."""
    try:
        return parse_mark(word) is not None
    except LanguageError:
        return False


def marks_of(line: str) -> list[Mark]:
    """Return the marks in an instruction; raises LanguageError for one that is malformed."""
    try:
        words = process(line, {}, quotes=Quotes.KEEP, keep_escapes=True, keep_unset=True).words
    except LanguageError:
        return []  # the shell may understand what we do not
    return [mark for word in words if (mark := parse_mark(word))]


def chomp(content: str) -> str:
    """Take the leading tabs off each line."""
    return _LEADING_TABS.sub("", content)


def _count_quotes(word: str) -> int:
    return word.count("'") + word.count('"')
