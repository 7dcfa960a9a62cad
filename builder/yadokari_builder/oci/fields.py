"""Typed access to JSON of unknown origin.

Read as Go's encoding/json reads into a struct, since that is what wrote it: fields that are not known are
left out, null and a missing field are the zero value, bytes that are not UTF-8 become U+FFFD. Whatever has
the wrong type raises `ImageInvalidError` with the path of the field.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

from yadokari_builder.errors import ImageInvalidError

_SURROGATES = re.compile("[\ud800-\udfff]")


# Some 400 bytes of memory go with each; no image that is meant to be used comes near.
_MOST_COMMAS = 200_000


def parse_object(data: bytes, what: str) -> "Fields":
    """Read a JSON object; `what` names it in errors."""
    if data.count(b",") > _MOST_COMMAS:
        raise ImageInvalidError(f"{what} holds more than {_MOST_COMMAS} values")
    try:
        value = json.loads(data.decode("utf-8", "replace"), parse_constant=_refuse_constant)
    except RecursionError:
        raise ImageInvalidError(f"{what} is nested too deeply") from None
    except ValueError as error:
        raise ImageInvalidError(f"{what} is not JSON: {error}") from None
    return Fields(value, what)


def format_json(value: object, *, indent: int | None = None) -> bytes:
    """Write JSON as Go's encoding/json does: compact unless `indent` is given, HTML's characters escaped."""
    separators = (",", ":") if indent is None else (",", ": ")
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=separators, indent=indent)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return _SURROGATES.sub("\ufffd", text).encode()


def present(**values: object) -> dict[str, object]:
    """Keep what Go's `omitempty` keeps: what is not zero, empty or None."""
    return {name: value for name, value in values.items() if value}


class Fields:
    """A JSON object and where it stands."""

    def __init__(self, value: object, where: str) -> None:
        self._where = where
        if value is None:
            value = {}
        if not isinstance(value, dict):
            raise ImageInvalidError(f"{where} is {_kind(value)}: an object is wanted")
        self._values: Mapping[str, Any] = value

    def __contains__(self, name: str) -> bool:
        return self._values.get(name) is not None

    def fail(self, name: str, why: str) -> NoReturn:
        """Raise `ImageInvalidError` about a field."""
        shown = name[:100] if name.isprintable() else repr(name[:100])
        raise ImageInvalidError(f"{self._where}: {shown} {why}")

    def text(self, name: str) -> str:
        """Return a string; "" if there is none."""
        return _clean(self._typed(name, str, ""))

    def argument(self, name: str) -> str:
        """Return a string that the system can be given: one without a zero byte."""
        return self._without_zero(name, self.text(name))

    def arguments(self, name: str) -> tuple[str, ...]:
        """Return a list of such strings."""
        return tuple(
            self._without_zero(f"{name}[{index}]", value) for index, value in enumerate(self.texts(name))
        )

    def number(self, name: str) -> int:
        """Return an integer; 0 if there is none."""
        value: int = self._typed(name, int, 0)
        if not -(2**63) <= value < 2**63:
            self.fail(name, "is out of range")
        return value

    def flag(self, name: str) -> bool:
        """Return a boolean; False if there is none."""
        value: bool = self._typed(name, bool, False)
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a list of strings; () if there is none."""
        values = self._typed(name, list, [])
        for index, value in enumerate(values):
            if not isinstance(value, str):
                self.fail(f"{name}[{index}]", f"is {_kind(value)}: a string is wanted")
        return tuple(map(_clean, values))

    def keys(self, name: str) -> tuple[str, ...]:
        """Return the keys of an object that stands for a set, sorted."""
        return tuple(sorted(_clean(key) for key in self._typed(name, dict, {})))

    def text_map(self, name: str) -> dict[str, str]:
        """Return an object whose values are strings."""
        inner = Fields(self._values.get(name), f"{self._where}: {name}")
        return {_clean(key): inner.text(key) for key in inner._values}

    def object(self, name: str) -> "Fields":
        """Return an inner object; an empty one if there is none."""
        return Fields(self._values.get(name), f"{self._where}: {name}")

    def objects(self, name: str) -> "Iterator[Fields]":
        """Return a list of objects; an empty one if there is none."""
        for index, value in enumerate(self._typed(name, list, [])):
            yield Fields(value, f"{self._where}: {name}[{index}]")

    def _without_zero(self, name: str, value: str) -> str:
        if "\0" in value:
            self.fail(name, "has a zero byte in it")
        return value

    def _typed(self, name: str, kind: type, zero: Any) -> Any:
        value = self._values.get(name)
        if value is None:
            return zero
        if type(value) is not kind:
            self.fail(name, f"is {_kind(value)}: {_NAMES[kind]} is wanted")
        return value


_NAMES = {
    str: "a string",
    int: "an integer",
    float: "a number",
    bool: "true or false",
    list: "a list",
    dict: "an object",
}


def _kind(value: object) -> str:
    return _NAMES.get(type(value), "null")


def _clean(text: str) -> str:
    return _SURROGATES.sub("\ufffd", text)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON value")
