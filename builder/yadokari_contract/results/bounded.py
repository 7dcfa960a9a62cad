"""JSON that fits a termination message: how long it is, and texts cut to the length that is left."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

MAX_BYTES = 4096
"""What Kubernetes keeps of a container's termination message."""

_MARK = "…"


def dump(data: Mapping[str, Any]) -> str:
    """Write JSON without spaces."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace").decode()


def excess(text: str) -> int:
    """Return by how many bytes a text is longer than `MAX_BYTES`."""
    return max(0, len(text.encode()) - MAX_BYTES)


def within(text: str, most: int) -> str:
    """Cut characters off the end until the JSON form of a text has at most so many bytes."""
    return text if _json_bytes(text) <= most else keep_start(text, _json_bytes(text) - most)


def keep_end(text: str, excess: int) -> str:
    """Cut characters off the beginning until the JSON form of a text is `excess` bytes shorter."""
    return _shortened(text, excess, lambda kept: _MARK + text[len(text) - kept :])


def keep_start(text: str, excess: int) -> str:
    """Cut characters off the end until the JSON form of a text is `excess` bytes shorter."""
    return _shortened(text, excess, lambda kept: text[:kept] + _MARK)


def keep_first(texts: Sequence[str], excess: int) -> tuple[str, ...]:
    """Leave out the last texts, never the first, until the list in JSON is `excess` bytes shorter."""
    kept = list(texts)
    while excess > 0 and len(kept) > 1:
        excess -= _json_bytes(kept.pop()) + 1
    return tuple(kept)


def _shortened(text: str, excess: int, cut: Callable[[int], str]) -> str:
    budget = _json_bytes(text) - excess
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if _json_bytes(cut(middle)) <= budget else (low, middle - 1)
    return cut(low) if low else ""


def _json_bytes(text: str) -> int:
    return len(json.dumps(text, ensure_ascii=False).encode("utf-8", "replace"))
