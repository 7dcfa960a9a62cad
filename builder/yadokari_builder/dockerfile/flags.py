"""Flags: the words `--name` and `--name=value` between an instruction's keyword and its arguments."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from types import MappingProxyType

from yadokari_builder.dockerfile.location import LanguageError
from yadokari_builder.dockerfile.suggestion import with_suggestion

_SPACE = "\t\n\v\f\r "


class Kind(Enum):
    """What a flag takes: nothing or true or false, one value, one value each time it is given."""

    SWITCH = auto()
    TEXT = auto()
    TEXTS = auto()


_DURATIONS = ("interval", "timeout", "start-period", "start-interval")

KNOWN: Mapping[str, Mapping[str, Kind]] = MappingProxyType(
    {
        "add": dict.fromkeys(("chown", "chmod", "checksum"), Kind.TEXT)
        | dict.fromkeys(("link", "keep-git-dir", "unpack"), Kind.SWITCH)
        | {"exclude": Kind.TEXTS},
        "copy": dict.fromkeys(("chown", "from", "chmod"), Kind.TEXT)
        | dict.fromkeys(("link", "parents"), Kind.SWITCH)
        | {"exclude": Kind.TEXTS},
        "from": {"platform": Kind.TEXT},
        "healthcheck": dict.fromkeys((*_DURATIONS, "retries"), Kind.TEXT),
        "run": dict.fromkeys(("network", "security"), Kind.TEXT)
        | dict.fromkeys(("mount", "device"), Kind.TEXTS),
    }
)
"""The flags of each instruction that has any, by its keyword in lower case."""


@dataclass(slots=True)
class Flags:
    """The flags that were given, by name without the dashes."""

    texts: dict[str, str] = field(default_factory=dict)
    lists: dict[str, list[str]] = field(default_factory=dict)
    switches: dict[str, bool] = field(default_factory=dict)

    def text(self, name: str, default: str = "") -> str:
        """Return a flag's value."""
        return self.texts.get(name, default)

    def values(self, name: str) -> tuple[str, ...]:
        """Return every value of a flag that may be given more than once."""
        return tuple(self.lists.get(name, ()))

    def switch(self, name: str) -> bool:
        """Tell whether a switch is on."""
        return self.switches.get(name, False)


def parse_flags(words: tuple[str, ...], known: Mapping[str, Kind]) -> Flags:
    """Read an instruction's flags; raises LanguageError for unknown, repeated and malformed ones."""
    flags = Flags()
    for word in words:
        written, equals, value = word.partition("=")
        name = written[2:]
        if name not in known:
            error = with_suggestion(f"unknown flag: {written}", name, known)
            raise LanguageError(error.message, written)
        if name in flags.texts or name in flags.switches:
            raise LanguageError(f"duplicate flag specified: {written}", word)
        if known[name] is Kind.SWITCH:
            flags.switches[name] = _parse_switch(written, equals, value)
        elif not equals:
            raise LanguageError(f"missing a value on flag: {written}", written)
        elif known[name] is Kind.TEXT:
            flags.texts[name] = value
        else:
            flags.lists.setdefault(name, []).append(value)
    return flags


def _parse_switch(written: str, equals: str, value: str) -> bool:
    if equals and not value:
        raise LanguageError(f"missing a value on flag: {written}", written)
    if value.lower() not in ("true", "false", ""):
        raise LanguageError(f"expecting boolean value for flag {written}, not: {value}", value)
    return value.lower() != "false"


def split_flags(text: str, escape: str) -> tuple[tuple[str, ...], str]:
    """Split the flags off the arguments: return the flags, without quotes and escapes, and what follows.

    `--` ends the flags. White space here is ASCII's alone: a U+2028 beside a flag belongs to it.
    """
    flags: list[str] = []
    start = _skip_spaces(text, 0)
    while text.startswith("--", start):
        word, is_quoted, position = _read_flag(text, start, escape)
        if word == "--":
            return tuple(flags), text[position:]
        if word or is_quoted:
            flags.append(word)
        start = _skip_spaces(text, position)
    return tuple(flags), text[start:]


def _skip_spaces(text: str, position: int) -> int:
    while position < len(text) and text[position] in _SPACE:
        position += 1
    return position


def _read_flag(text: str, position: int, escape: str) -> tuple[str, bool, int]:
    """Read one word; return it, whether it had quotes, and where it ends."""
    word: list[str] = []
    quote = ""
    is_quoted = False
    while position < len(text) and (quote or text[position] not in _SPACE):
        character = text[position]
        position += 1
        if character == quote:
            quote = ""
        elif not quote and character in "'\"":
            quote, is_quoted = character, True
        elif character == escape:
            word.append(text[position : position + 1])
            position += 1
        else:
            word.append(character)
    return "".join(word), is_quoted, position
