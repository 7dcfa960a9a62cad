r"""Regular expressions as Go's `regexp` reads them (RE2), as far as ignore patterns can hold them.

    expression := sequence { "|" sequence }
    sequence   := { atom [ "*" | "?" | "{" least [ "," [ most ] ] "}" ] }
    atom       := "(" expression ")" | "." | "^" | "$" | set | escape | character
    set        := "[" [ "^" ] { "[:" name ":]" | member [ "-" member ] } "]"

Whether one matches is for `automaton` to tell. Unicode's classes (`\p`) are refused: nothing here knows them.
"""

import re
from dataclasses import dataclass, field
from enum import Enum, auto

from yadokari_builder.dockerfile.location import LanguageError

Ranges = tuple[tuple[str, str], ...]
"""Characters from the first of each pair to the second."""

_MOST_REPEATS = 1000
_FIRST, _LAST = "\0", "\U0010ffff"
_REPLACEMENT = "\ufffd"
_NO_UTF8 = ("\udc80", "\udcff")
"""Bytes that are no UTF-8 (surrogateescape), which Go takes for the replacement character."""

_COUNT = re.compile(r"\{(0|[1-9][0-9]*)(,(0|[1-9][0-9]*)?)?\}")
_OCTAL = re.compile(r"\\(0[0-7]{0,2}|[1-7][0-7]{1,2})")
_HEX = re.compile(r"\\x(?:([0-9A-Fa-f]{2})|\{([0-9A-Fa-f]{1,8})\})")
_CONTROLS = {"a": "\a", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_DIGITS = ("0", "9")
_LOWER, _UPPER = ("a", "z"), ("A", "Z")
_PERL: dict[str, Ranges] = {
    "d": (_DIGITS,),
    "s": (("\t", "\n"), ("\f", "\r"), (" ", " ")),
    "w": (_DIGITS, _UPPER, ("_", "_"), _LOWER),
}
_POSIX: dict[str, Ranges] = {
    "alnum": (_DIGITS, _UPPER, _LOWER),
    "alpha": (_UPPER, _LOWER),
    "ascii": (("\0", "\x7f"),),
    "blank": (("\t", "\t"), (" ", " ")),
    "cntrl": (("\0", "\x1f"), ("\x7f", "\x7f")),
    "digit": (_DIGITS,),
    "graph": (("!", "~"),),
    "lower": (_LOWER,),
    "print": ((" ", "~"),),
    "punct": (("!", "/"), (":", "@"), ("[", "`"), ("{", "~")),
    "space": (("\t", "\r"), (" ", " ")),
    "upper": (_UPPER,),
    "word": _PERL["w"],
    "xdigit": (_DIGITS, ("A", "F"), ("a", "f")),
}


class Place(Enum):
    """A place in the text, where an expression may ask to be."""

    START = auto()
    END = auto()
    WORD_BOUNDARY = auto()
    NO_WORD_BOUNDARY = auto()


@dataclass(frozen=True, slots=True)
class Characters:
    """One character out of a set."""

    ranges: Ranges

    def __contains__(self, character: str) -> bool:
        return any(first <= character <= last for first, last in self.ranges)


@dataclass(frozen=True, slots=True)
class Sequence:
    """One expression after the other."""

    parts: tuple["Expression", ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """One expression out of several."""

    options: tuple["Expression", ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """An expression `least` to `most` times; None has no end."""

    part: "Expression"
    least: int
    most: int | None


Expression = Place | Characters | Sequence | Choice | Repeat

ANYTHING = Repeat(Characters(((_FIRST, _LAST),)), 0, None)
"""Any number of any characters."""


def literal(text: str) -> Sequence:
    """Return the expression of a text."""
    return Sequence(tuple(Characters(((character, character),)) for character in text))


def parse(text: str) -> Expression:
    """Read an expression; raises LanguageError."""
    reader = _Reader(text)
    expression = reader.choice()
    if reader.ahead:
        raise LanguageError(f"unexpected ) in {text}", text)
    return expression


def complement(ranges: Ranges) -> Ranges:
    """Return the characters that are not in `ranges`."""
    others = []
    following = 0
    for first, last in sorted(ranges):
        if ord(first) > following:
            others.append((chr(following), chr(ord(first) - 1)))
        following = max(following, ord(last) + 1)
    if following <= ord(_LAST):
        others.append((chr(following), _LAST))
    return tuple(others)


@dataclass(slots=True)
class _Reader:
    """A scanner over one expression; each method may raise LanguageError."""

    text: str
    position: int = field(default=0)

    @property
    def ahead(self) -> str:
        """The next character, empty at the end."""
        return self.text[self.position : self.position + 1]

    def take(self) -> str:
        character = self.ahead
        self.position += 1
        return character

    def choice(self) -> Expression:
        options = [self.sequence()]
        while self.ahead == "|":
            self.take()
            options.append(self.sequence())
        return options[0] if len(options) == 1 else Choice(tuple(options))

    def sequence(self) -> Expression:
        parts: list[Expression] = []
        while self.ahead and self.ahead not in "|)":
            if self._repetition() is not None:
                raise self._error("nothing to repeat")
            if self.text.startswith("\\Q", self.position):
                parts += self._quoted()
            else:
                parts.append(self._atom())
            if parts and (repetition := self._repetition()) is not None:
                least, most, self.position = repetition
                parts[-1] = Repeat(parts[-1], least, most)
                if self._repetition() is not None:
                    raise self._error("a repetition of a repetition")
        return Sequence(tuple(parts))

    def _repetition(self) -> tuple[int, int | None, int] | None:
        """Look for a repetition ahead: how often it is at least and at most, and where it ends."""
        if self.ahead in ("*", "?"):
            return 0, None if self.ahead == "*" else 1, self.position + 1
        match = _COUNT.match(self.text, self.position)
        if not match:
            return None
        least = int(match[1][:5])
        most = int(match[3][:5]) if match[3] else None if match[2] else least
        if max(least, most or 0) > _MOST_REPEATS or (most is not None and most < least):
            raise self._error("no such number of repetitions")
        return least, most, match.end()

    def _atom(self) -> Expression:
        match character := self.take():
            case "(":
                inner = self.choice()
                if self.take() != ")":
                    raise self._error("missing )")
                return inner
            case ".":
                return Characters(complement((("\n", "\n"),)))
            case "^":
                return Place.START
            case "$":
                return Place.END
            case "[":
                return Characters(self._set())
            case "\\":
                return self._escape()
        return Characters(_only(character))

    def _quoted(self) -> list[Expression]:
        quoted, _, _ = self.text[self.position + 2 :].partition("\\E")
        self.position += 2 + len(quoted) + 2
        return [Characters(_only(character)) for character in quoted]

    def _escape(self) -> Expression:
        places = {"A": Place.START, "z": Place.END, "b": Place.WORD_BOUNDARY, "B": Place.NO_WORD_BOUNDARY}
        if place := places.get(self.ahead):
            self.take()
            return place
        return Characters(self._perl_set() or _only(self._escaped()))

    def _perl_set(self) -> Ranges:
        """Read `d`, `s`, `w` or their complements behind a backslash; empty if it is none of them."""
        if not (self.ahead and self.ahead in "dswDSW"):
            return ()
        name = self.take()
        return _PERL[name] if name in _PERL else complement(_PERL[name.lower()])

    def _escaped(self) -> str:
        """Return the character that is written behind a backslash."""
        if octal := _OCTAL.match(self.text, self.position - 1):
            self.position = octal.end()
            return chr(int(octal[1], 8))
        if number := _HEX.match(self.text, self.position - 1):
            self.position = number.end()
            code = int(number[1] or number[2], 16)
            if code <= ord(_LAST):
                return chr(code)
            raise self._error("no such character")
        if self.ahead in ("p", "P"):
            raise self._error("Unicode's classes (\\p) cannot be used here")
        character = self.take()
        if character in _CONTROLS:
            return _CONTROLS[character]
        if character.isascii() and character and not character.isalnum():
            return character
        raise self._error(f"\\{character} means nothing")

    def _set(self) -> Ranges:
        """Read the set whose bracket is behind."""
        is_negated = self.ahead == "^"
        self.position += is_negated
        ranges: list[tuple[str, str]] = []
        is_first = True
        while self.ahead != "]" or is_first:
            is_first = False
            ranges += self._members()
        self.take()
        if (_REPLACEMENT in Characters(tuple(ranges))) and _NO_UTF8 not in ranges:
            ranges.append(_NO_UTF8)
        return complement(tuple(ranges)) if is_negated else tuple(ranges)

    def _members(self) -> Ranges:
        end = self.text.find(":]", self.position + 2)
        if self.text.startswith("[:", self.position) and end >= 0:
            name = self.text[self.position + 2 : end]
            self.position = end + 2
            if name.removeprefix("^") not in _POSIX:
                raise self._error(f"no such class: {name}")
            ranges = _POSIX[name.removeprefix("^")]
            return complement(ranges) if name.startswith("^") else ranges
        if self.ahead == "\\":
            self.take()
            if ranges := self._perl_set():
                return ranges
            self.position -= 1
        low = high = self._member()
        if self.ahead == "-" and self.text[self.position + 1 : self.position + 2] not in ("", "]"):
            self.take()
            high = self._member()
        if high < low:
            raise self._error(f"the range {low}-{high} runs backwards")
        return ((low, high),)

    def _member(self) -> str:
        character = self.take()
        if not character:
            raise self._error("missing ]")
        return self._escaped() if character == "\\" else character

    def _error(self, message: str) -> LanguageError:
        return LanguageError(f"{message} in the regular expression {self.text}", self.text)


def _only(character: str) -> Ranges:
    same = ((character, character),)
    return (*same, _NO_UTF8) if character == _REPLACEMENT else same
