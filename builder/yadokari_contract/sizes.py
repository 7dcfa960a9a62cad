"""Sizes in bytes, as people write them."""

import re

_UNITS = {"": 0, "b": 0, "k": 10, "m": 20, "g": 30, "t": 40, "p": 50}
_SIZE = re.compile(r"(\+?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?) ?([a-zA-Z]*)")
_LARGEST = (1 << 63) - 1


def parse_size(text: str) -> int:
    """Read a size in bytes: `64m`, `1.5GiB` (go-units: `RAMInBytes`); raises `ValueError`."""
    match = _SIZE.fullmatch(text)
    suffix = match[2].lower() if match else ""
    if match and suffix[:1] in _UNITS and suffix[1:] in ("", "b", "ib") and suffix not in ("bb", "bib"):
        size = float(match[1]) * (1 << _UNITS[suffix[:1]])
        if size < _LARGEST:
            return int(size)
    raise ValueError(f"invalid size: '{text}'")


def human_size(size: int) -> str:
    """Write a size in bytes for people, in powers of 1,000 (go-units: `HumanSize`): `61.9 MB`."""
    value = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"
