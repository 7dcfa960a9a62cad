"""The scanner behind `words`, which has the grammar."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

from yadokari_builder.dockerfile.encoding import as_characters
from yadokari_builder.dockerfile.location import LanguageError
from yadokari_builder.dockerfile.substitution import (
    LONGEST,
    remove_prefix,
    remove_suffix,
    replace_all,
    replace_first,
    too_long,
)
from yadokari_builder.dockerfile.whitespace import SPACE

_SPECIAL_NAMES = "@*#?-$!0"


class Quotes(Enum):
    """What becomes of quotes: taken off, kept in place, or no quotes at all but plain characters."""

    REMOVE = auto()
    KEEP = auto()
    PLAIN = auto()


@dataclass(slots=True)
class _Words:
    """Collects words: literal text joins the word at hand, white space in split text ends it."""

    done: list[str] = field(default_factory=list)
    current: list[str] = field(default_factory=list)

    def add(self, text: str) -> None:
        self.current.append(text)

    def add_split(self, text: str) -> None:
        for character in text:
            if character in SPACE:
                self.end()
            else:
                self.current.append(character)

    def end(self) -> None:
        if word := "".join(self.current):
            self.done.append(word)
        self.current.clear()


class Expander:
    """A scanner over one text; each method leaves `position` behind what it has read.

    Every method may raise LanguageError.
    """

    def __init__(
        self, text: str, env: Mapping[str, str], escape: str, quotes: Quotes, keep_unset: bool
    ) -> None:
        # As Go's text/scanner does: a byte order mark at the very start is none of the text, and bytes that
        # are no UTF-8 become the replacement character.
        self.text = as_characters(text.removeprefix("\ufeff"))
        self.env = env
        self.escape = escape
        self.quotes = quotes
        self.keep_unset = keep_unset
        self.keep_escapes = False
        self.plain = re.compile(rf"[^$'\"<}}/{re.escape(escape)}]+")
        self.position = 0
        self.grown = 0
        """How many characters variables have become so far."""
        self.matched: set[str] = set()
        self.unmatched: set[str] = set()

    @property
    def ahead(self) -> str:
        """The next character, empty at the end."""
        return self.text[self.position : self.position + 1]

    def take(self) -> str:
        """Read and return the next character, empty at the end."""
        character = self.ahead
        self.position += 1
        return character

    def read(self, stop: str | None, keep_escapes: bool) -> tuple[str, list[str]]:
        """Read up to `stop` (None: to the end) and return the text and its words."""
        outer, self.keep_escapes = self.keep_escapes, keep_escapes
        result: list[str] = []
        words = _Words()
        while (character := self.ahead) and character != stop:
            if character == "$":
                piece = self._variable()
                words.add_split(piece)
            elif character in "'\"" and self.quotes is not Quotes.PLAIN:
                piece = self._single_quoted() if character == "'" else self._double_quoted()
                words.add(piece)
            elif character == "<":
                piece = self._less_than()
                words.add(piece)
            elif character == self.escape:
                piece = self._escaped()
                words.add(piece)
            else:
                piece = self._plain()
                words.add_split(piece)
            result.append(piece)
        if stop is not None and not self.take():
            raise LanguageError(f"unexpected end of statement while looking for matching {stop}")
        self.keep_escapes = outer
        words.end()
        return "".join(result), words.done

    def _plain(self) -> str:
        run = self.plain.match(self.text, self.position)
        if not run:
            return self.take()
        self.position = run.end()
        return run[0]

    def _escaped(self) -> str:
        escape = self.take()
        return (escape if self.keep_escapes else "") + self.take()

    def _less_than(self) -> str:
        """Keep `<<` and the word of a heredoc together, white space may stand between them."""
        start = self.position
        self.position += 1
        if self.ahead == "<":
            self.position += 1
            while self.ahead and self.ahead in "\t\r ":
                self.position += 1
        return self.text[start : self.position]

    def _single_quoted(self) -> str:
        start = self.position
        end = self.text.find("'", start + 1)
        if end < 0:
            self.position = len(self.text)
            raise LanguageError("unexpected end of statement while looking for matching single-quote")
        self.position = end + 1
        return self.text[start : end + 1] if self.quotes is Quotes.KEEP else self.text[start + 1 : end]

    def _double_quoted(self) -> str:
        self.position += 1
        quote = '"' if self.quotes is Quotes.KEEP else ""
        result = [quote]
        while (character := self.ahead) != '"':
            if not character:
                raise LanguageError("unexpected end of statement while looking for matching double-quote")
            result.append(self._variable() if character == "$" else self._character_in_quotes())
        self.position += 1
        return "".join([*result, quote])

    def _character_in_quotes(self) -> str:
        character = self.take()
        if character != self.escape:
            return character
        kept = self.escape if self.keep_escapes else ""
        if not self.ahead:
            return kept
        # Within double quotes the escape character stays where there is nothing to escape.
        return kept + (self.take() if self.ahead in ('"', "$", self.escape) else character)

    def _variable(self) -> str:
        value = self._value()
        self.grown += len(value)
        if self.grown > LONGEST:
            raise too_long()
        return value

    def _value(self) -> str:
        self.position += 1
        if self.ahead != "{":
            name = self._name()
            if not name:
                return "$"
            value = self._look_up(name)
            return f"${name}" if value is None and self.keep_unset else value or ""
        self.position += 1
        if not self.ahead:
            raise LanguageError("syntax error: missing '}'")
        if self.ahead in "{}:":
            raise LanguageError("syntax error: bad substitution")
        name = self._name()
        modifier = self.take()
        if modifier == "}":
            value = self._look_up(name)
            return f"${{{name}}}" if value is None and self.keep_unset else value or ""
        if not modifier:
            raise LanguageError("syntax error: missing '}'")
        if modifier == "/":
            return self._replaced(name)
        return self._modified(name, modifier)

    def _modified(self, name: str, modifier: str) -> str:
        empty_is_unset = modifier == ":"
        operator = self.take() if empty_is_unset else modifier
        written = f":{operator}" if empty_is_unset else operator
        if not (empty_is_unset or operator in tuple("+-?#%")):
            raise LanguageError(f"unsupported modifier ({written}) in substitution")
        is_glob = operator in ("#", "%")
        if empty_is_unset and is_glob:
            raise LanguageError(f"unsupported modifier ({written}) in substitution")
        word = self._until("}", is_glob, "syntax error: missing '}'")
        value = self._look_up(name)
        if value is None and self.keep_unset:
            return f"${{{name}{written}{word}}}"
        is_set = value is not None and not (empty_is_unset and not value)
        match operator:
            case "-":
                return value or "" if is_set else word
            case "+":
                return word if is_set else ""
            case "?" if not is_set:
                raise LanguageError(f"{name}: {word or _refusal(value)}")
            case "?":
                return value or ""
            case "#":
                return remove_prefix(value or "", word)
            case "%":
                return remove_suffix(value or "", word)
        raise LanguageError(f"unsupported modifier ({written}) in substitution")

    def _replaced(self, name: str) -> str:
        everywhere = self.ahead == "/"
        if everywhere:
            self.position += 1
        glob = self._until("/", True, "syntax error: missing '/' in ${}")
        replacement = self._until("}", True, "syntax error: missing '}'")
        value = self._look_up(name)
        if value is None and self.keep_unset:
            return f"${{{name}/{glob}/{replacement}}}"
        replace = replace_all if everywhere else replace_first
        return replace(value or "", glob, replacement)

    def _until(self, stop: str, keep_escapes: bool, message: str) -> str:
        try:
            return self.read(stop, keep_escapes)[0]
        except LanguageError as error:
            raise error if self.ahead else LanguageError(message) from None

    def _name(self) -> str:
        start = self.position
        if self.ahead.isdecimal():
            while self.ahead.isdecimal():
                self.position += 1
        elif self.ahead and self.ahead in _SPECIAL_NAMES:
            self.position += 1
        else:
            while self.ahead.isalpha() or self.ahead.isdecimal() or self.ahead == "_":
                self.position += 1
        return self.text[start : self.position]

    def _look_up(self, name: str) -> str | None:
        value = self.env.get(name)
        (self.unmatched if value is None else self.matched).add(name)
        return value


def _refusal(value: str | None) -> str:
    return "is not allowed to be unset" if value is None else "is not allowed to be empty"
