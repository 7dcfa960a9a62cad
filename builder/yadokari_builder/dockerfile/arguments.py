"""Arguments: what follows an instruction's keyword and flags, split as that instruction wants it.

Quotes and escapes stay in place here; they are taken off when words are expanded.
"""

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass

from yadokari_builder.dockerfile.location import LanguageError
from yadokari_builder.dockerfile.quoting import quote
from yadokari_builder.dockerfile.whitespace import SPACE, split_gaps

_SURROGATE = re.compile("[\ud800-\udfff]")
"""Half of a pair, or a byte that is no UTF-8: neither is a character."""

_NOT_STRINGS = "when using JSON array syntax, arrays must be comprised of strings only"


@dataclass(frozen=True, slots=True)
class Arguments:
    """An instruction's arguments; `json` tells that they were written as a JSON array.

    Pairs of ENV and LABEL are flattened to name, value and "=" (empty in the old form `ENV name value`).
    """

    words: tuple[str, ...] = ()
    json: bool = False


def split_words(text: str, escape: str) -> list[str]:
    """Split at white space outside of quotes; an escaped character never splits or quotes.

    Bytes that are no UTF-8 become the replacement character.
    """
    text = _SURROGATE.sub("\ufffd", text)
    words: list[str] = []
    position = 0
    while position < len(text):
        if text[position] in SPACE:
            position += 1
            continue
        word, position = _read_word(text, position, escape)
        words.append(word)
    return [word for word in words if word]


def _read_word(text: str, position: int, escape: str) -> tuple[str, int]:
    start = position
    quote = ""
    while position < len(text) and (quote or text[position] not in SPACE):
        character = text[position]
        if character == escape and quote != "'":
            if position + 1 == len(text):
                return text[start:position], position + 1  # nothing is left to escape
            position += 1
        elif character == quote:
            quote = ""
        elif not quote and character in "'\"":
            quote = character
        position += 1
    return text[start:position], position


def parse_json(text: str) -> tuple[str, ...] | None:
    """Read a JSON array of strings; None if `text` is none, a LanguageError if it holds anything else."""
    if not text.lstrip(SPACE).startswith("["):
        return None
    try:
        values = json.loads(text.strip(SPACE), parse_constant=_refuse, parse_int=_number, parse_float=_number)
    except (ValueError, RecursionError):
        return None
    if not all(isinstance(value, str) for value in values):
        raise LanguageError(_NOT_STRINGS, text)
    return tuple(_SURROGATE.sub("\ufffd", value) for value in values)


def _refuse(constant: str) -> None:
    raise ValueError(constant)  # JSON has no NaN and no Infinity


def _number(text: str) -> float:
    if math.isinf(number := float(text)):
        raise ValueError(text)  # Go has no such number either
    return number


def _json_or_text(text: str, _escape: str) -> Arguments:
    words = parse_json(text)
    if words is not None:
        return Arguments(words, json=True)
    return _whole(text, _escape)


def _json_or_list(text: str, _escape: str) -> Arguments:
    words = parse_json(text)
    if words is not None:
        return Arguments(words, json=True)
    return _list(text, _escape)


def _list(text: str, _escape: str) -> Arguments:
    return Arguments(tuple(split_gaps(text)) if text else ())


def _whole(text: str, _escape: str) -> Arguments:
    return Arguments((text,) if text else ())


def _names(text: str, escape: str) -> Arguments:
    return Arguments(tuple(split_words(text, escape)))


def _health(text: str, escape: str) -> Arguments:
    if not text:
        return Arguments()
    kind, *command = split_gaps(text, 1)
    test = _json_or_text(command[0] if command else "", escape)
    return Arguments((kind, *test.words), test.json)


def _pairs(keyword: str) -> Callable[[str, str], Arguments]:
    def split(text: str, escape: str) -> Arguments:
        words = split_words(text, escape)
        if words and "=" not in words[0]:
            name, *value = split_gaps(text, 1)
            if not value:
                raise LanguageError(f"{keyword} must have two arguments", text)
            return Arguments((name, value[0], ""))
        flat: list[str] = []
        for word in words:
            name, equals, value_text = word.partition("=")
            if not equals:
                raise LanguageError(
                    f"Syntax error - can't find = in {quote(word)}. Must be of the form: name=value", word
                )
            flat += (name, value_text, "=")
        return Arguments(tuple(flat))

    return split


SPLITTERS: dict[str, Callable[[str, str], Arguments]] = {
    "add": _json_or_list,
    "arg": _names,
    "cmd": _json_or_text,
    "copy": _json_or_list,
    "entrypoint": _json_or_text,
    "env": _pairs("ENV"),
    "expose": _list,
    "from": _list,
    "healthcheck": _health,
    "label": _pairs("LABEL"),
    "maintainer": _whole,
    "run": _json_or_text,
    "shell": _json_or_text,
    "stopsignal": _whole,
    "user": _whole,
    "volume": _json_or_list,
    "workdir": _whole,
}
"""How each instruction but ONBUILD splits its arguments, by its keyword in lower case."""
