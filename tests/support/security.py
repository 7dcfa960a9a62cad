"""The table of docs/security.md, from reports of runs of the attacks.

    .venv/bin/pytest tests/attack --junit-xml /tmp/attacks.xml
    PYTHONPATH=tests .venv/bin/python -m support.security /tmp/attacks.xml

What is in no report keeps its row, so that a new attack takes a run of itself alone; what is in two of them
counts as in the later one.
"""

import ast
import sys
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from support.pages import DOCS, read_table

ATTACKS = Path(__file__).parents[1] / "attack"
PAGE = DOCS / "security.md"
HEADING = "## What is tried\n"
COLUMNS = ("who", "what is shown", "shared", "namespaces", "either")
_EITHER = "either"
Counts = tuple[str, ...]
_FOLDER = "tests.attack."


@dataclass(frozen=True, slots=True)
class Attack:
    """One way of attacking; `file` is that of its test, `test` the name of that, `who` who would try it."""

    file: str
    test: str
    who: str

    @property
    def words(self) -> str:
        """What is shown."""
        return self.test.removeprefix("test_").replace("_", " ")


@dataclass(frozen=True, slots=True)
class Try:
    """One try; `name` is that of the test with its parameters, `level` that of isolation, if it matters."""

    file: str
    name: str
    level: str
    went_well: bool

    @property
    def test(self) -> str:
        """The test without its parameters."""
        return self.name.partition("[")[0]


def attacks() -> Iterator[Attack]:
    """Give the attacks that there are, as the tests have them."""
    for path in sorted(ATTACKS.glob("test_*.py")):
        module = ast.parse(path.read_text())
        who = (ast.get_docstring(module) or "").partition("\n")[0].rstrip(".")
        names = [node.name for node in module.body if isinstance(node, ast.FunctionDef)]
        yield from (Attack(path.name, name, who) for name in names if name.startswith("test_"))


def tries(report: str) -> Iterator[Try]:
    """Read a report as pytest writes it; what was skipped is no try."""
    for case in ET.fromstring(report).iter("testcase"):
        module = case.get("classname", "")
        if module.startswith(_FOLDER) and case.find("skipped") is None:
            level = case.find("properties/property[@name='level']")
            yield Try(
                f"{module.removeprefix(_FOLDER)}.py",
                case.get("name", ""),
                _EITHER if level is None else level.get("value", _EITHER),
                case.find("failure") is None and case.find("error") is None,
            )


def table(made: Iterable[Try], known: Mapping[str, Counts] = MappingProxyType({})) -> str:
    """Write the table: a row for each attack, with how often it came to nothing at each level.

    Of an attack that was not tried, that is as it is known by its words.
    """
    made = list(made)
    tried = Counter((each.file, each.test, each.level) for each in made)
    well = Counter((each.file, each.test, each.level) for each in made if each.went_well)
    rows, before = [COLUMNS, ("---",) * len(COLUMNS)], ""
    for attack in attacks():
        who = f"[{attack.who}](../tests/attack/{attack.file})" if attack.file != before else ""
        keys = [(attack.file, attack.test, level) for level in COLUMNS[2:]]
        counts = tuple(_count(well[key], tried[key]) for key in keys)
        rows.append((who, attack.words, *(counts if any(counts) else known.get(attack.words, counts))))
        before = attack.file
    return "".join(f"{''.join(f'| {cell} ' if cell else '| ' for cell in row)}|\n" for row in rows)


def _count(well: int, tried: int) -> str:
    return "" if not tried else str(tried) if well == tried else f"**{well} of {tried}**"


def main(reports: Iterable[str]) -> None:
    """Write the table into the page, in the place of the one that is there."""
    known = [each for report in reports for each in tries(Path(report).read_text())]
    made = {(each.file, each.name): each for each in known}.values()
    rows = read_table(PAGE.name, HEADING.strip("# \n")).rows
    before, _, section = PAGE.read_text().partition(HEADING)
    words = "".join(line for line in section.splitlines(keepends=True) if not line.startswith("|"))
    PAGE.write_text(f"{before}{HEADING}{words.rstrip()}\n\n{table(made, {row[1]: row[2:] for row in rows})}")


if __name__ == "__main__":
    main(sys.argv[1:])
