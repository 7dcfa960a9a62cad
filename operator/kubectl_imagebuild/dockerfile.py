"""The lines of a Dockerfile around one that is at fault, and the stage that it is in."""

import re
from collections.abc import Iterator

from yadokari_contract.terminal import harmless

_FROM = re.compile(r"\s*FROM\s+(?:--platform=\S+\s+)?(\S+)(?:\s+AS\s+(\S+))?\s*", re.ASCII | re.IGNORECASE)
_AROUND = 2


def excerpt(text: str, line: int) -> Iterator[str]:
    """Show a line, counted from 1, among its neighbours; nothing where there is no such line."""
    lines = harmless(text).split("\n")
    if not 0 < line <= len(lines):
        return
    first, last = max(1, line - _AROUND), min(len(lines), line + _AROUND)
    for number in range(first, last + 1):
        mark = ">>>" if number == line else "   "
        yield f"{number:>{len(str(last))}} | {mark} {lines[number - 1].expandtabs(4)}".rstrip()


def stage_at(text: str, line: int) -> str:
    """Name the stage that a line is in: its name, or the image that it starts from."""
    stages = (_FROM.fullmatch(one) for one in harmless(text).split("\n")[:line])
    return next((found[2] or found[1] for found in reversed([*stages]) if found), "")
