"""Text for people: how wide it is, tables, ages."""

import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime

from yadokari_contract.terminal import harmless

_WIDE = frozenset("WF")
_UNSEEN = frozenset(("Mn", "Me", "Cf"))


def width(text: str) -> int:
    """Tell how many columns of a terminal a text takes, which is without control characters."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def fit(text: str, columns: int) -> str:
    """Cut a text to so many columns, with an ellipsis where something is left out."""
    if width(text) <= columns:
        return text
    kept, taken = [], 1
    for character in text:
        taken += _columns(character)
        if taken > columns:
            break
        kept.append(character)
    return "".join(kept) + "…" if columns > 0 else ""


def one_line(text: str) -> str:
    """Return a stranger's text as what fits into a line."""
    return " ".join(harmless(text).split())


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Write columns as kubectl does: three blanks apart, the last one as long as it is."""
    lines = [head, *rows]
    widths = [max(width(line[place]) for line in lines) for place in range(len(head))]
    return [
        "   ".join(
            cell + " " * (most - width(cell)) for cell, most in zip(line, widths, strict=True)
        ).rstrip()
        for line in lines
    ]


def parse_time(text: str) -> datetime | None:
    """Read a time of Kubernetes' (RFC 3339); None for anything else."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def span(seconds: float) -> str:
    """Write a span of time as kubectl writes ages: 45s, 5m30s, 3h20m, 2d."""
    left = max(0, int(seconds))
    if left < 120:
        return f"{left}s"
    if left < 600:
        return f"{left // 60}m{left % 60}s" if left % 60 else f"{left // 60}m"
    if left < 3 * 3600:
        return f"{left // 60}m"
    if left < 8 * 3600:
        return f"{left // 3600}h{left % 3600 // 60}m"
    return f"{left // 3600}h" if left < 48 * 3600 else f"{left // 86400}d"


def since(text: str, now: datetime) -> str:
    """Write how long ago a time of Kubernetes' is; empty where there is none."""
    time = parse_time(text)
    return span((now - time).total_seconds()) if time else ""


def _columns(character: str) -> int:
    if unicodedata.category(character) in _UNSEEN:
        return 0
    return 2 if unicodedata.east_asian_width(character) in _WIDE else 1
