"""Reads the documentation: its tables, and what it shows as code."""

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
_SPAN = re.compile(r"`([^`]+)`")
_FENCED = re.compile(r"^```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"^(?: {4}.*\n)+", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Table:
    """A table: the cells of its head and of each row, as they are written."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def read_table(page: str, heading: str) -> Table:
    """Read the first table below a heading of a page; every row has as many cells as the head."""
    text = (DOCS / page).read_text()
    section = re.split(r"^#+ ", text.split(f"# {heading}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]
    return parse_table(section)


def parse_table(text: str) -> Table:
    """Read the first table of a text."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    head, _, *rows = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines]
    assert {len(row) for row in rows} == {len(head)}
    return Table(head, tuple(rows))


def spans(cell: str) -> list[str]:
    """What a cell shows as code, in order."""
    return _SPAN.findall(cell)


def blocks(page: Path) -> Iterator[str]:
    """What a page shows as code: fenced, or indented up to the next blank line."""
    return code(page.read_text())


def code(text: str) -> Iterator[str]:
    """What a text of a page shows as code."""
    yield from _FENCED.findall(text)
    yield from map(textwrap.dedent, _INDENTED.findall(_FENCED.sub("", text)))
