"""Reads the tables of the pages in docs/."""

import re
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
_SPAN = re.compile(r"`([^`]+)`")


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
