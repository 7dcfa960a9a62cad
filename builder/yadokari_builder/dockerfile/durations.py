"""Durations as Go writes them: `1h30m`, `1.5s`, `300ms`; in nanoseconds."""

import re
from decimal import Decimal

from yadokari_builder.dockerfile.location import LanguageError
from yadokari_builder.dockerfile.quoting import quote

_UNITS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,  # the Greek letter, above it is the micro sign
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_PART = re.compile(r"([0-9]*)(?:\.([0-9]*))?([^.0-9]*)")
_LARGEST = 1 << 63


def parse_duration(text: str) -> int:
    """Return the nanoseconds of a duration (Go: `time.ParseDuration`); raises LanguageError."""
    negative = text.startswith("-")
    rest = text.removeprefix("-") if negative else text.removeprefix("+")
    if rest == "0":
        return 0
    if not rest:
        raise _invalid("invalid duration", text)
    total = 0
    position = 0
    while position < len(rest):
        match = _PART.match(rest, position)
        assert match is not None
        total += _nanoseconds(match, text)
        position = match.end()
    if total > _LARGEST - (not negative):
        raise _invalid("invalid duration", text)
    return -total if negative else total


def _nanoseconds(match: re.Match[str], text: str) -> int:
    whole, fraction, unit = match[1], match[2] or "", match[3]
    if not (whole or fraction):
        raise _invalid("invalid duration", text)
    if not unit:
        raise _invalid("missing unit in duration", text)
    if unit not in _UNITS:
        raise _invalid(f"unknown unit {quote(unit)} in duration", text)
    if len(whole) > 20:
        raise _invalid("invalid duration", text)
    # What a fraction has beyond 18 digits is far below a nanosecond.
    return int(Decimal(f"{whole or 0}.{fraction[:18] or 0}") * _UNITS[unit])


def _invalid(what: str, text: str) -> LanguageError:
    return LanguageError(f"time: {what} {quote(text)}", text)


def format_duration(nanoseconds: int) -> str:
    """Write a duration (Go: `time.Duration.String`): `1h0m5s`, `1.5ms`, `0s`."""
    sign, amount = ("-", -nanoseconds) if nanoseconds < 0 else ("", nanoseconds)
    if amount == 0:
        return "0s"
    if amount < _UNITS["s"]:
        unit = next(unit for unit in ("ms", "µs", "ns") if amount >= _UNITS[unit])
        return f"{sign}{_decimal(amount, _UNITS[unit])}{unit}"
    minutes, rest = divmod(amount, _UNITS["m"])
    hours, minutes = divmod(minutes, 60)
    text = f"{_decimal(rest, _UNITS['s'])}s"
    if hours or minutes:
        text = f"{minutes}m{text}"
    if hours:
        text = f"{hours}h{text}"
    return sign + text


def _decimal(amount: int, unit: int) -> str:
    whole, fraction = divmod(amount, unit)
    digits = str(fraction).zfill(len(str(unit)) - 1).rstrip("0")
    return f"{whole}.{digits}" if fraction else str(whole)
