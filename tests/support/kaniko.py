"""What kaniko knows of flags and variables, and the tables of docs/kaniko.md that follow from it.

`python -m support.kaniko` writes the tables into the page.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from support.pages import DOCS
from yadokari_contract.arguments import SYNTAX
from yadokari_contract.flags import FLAGS, Flag
from yadokari_contract.spec import BuildSpec
from yadokari_contract.variables import VARIABLES, Variable

_DATA = Path(__file__).parents[1] / "data" / "kaniko"


@dataclass(frozen=True, slots=True)
class KanikoFlag:
    """A flag as one of kaniko's programs defines it."""

    program: str
    name: str
    short: str
    kind: str
    default: str


def kaniko_flags(program: str) -> tuple[KanikoFlag, ...]:
    """The flags of one of kaniko's programs."""
    rows = csv.DictReader((_DATA / "flags.csv").read_text().splitlines())
    return tuple(KanikoFlag(**row) for row in rows if row["program"] == program)


def kaniko_variables() -> tuple[str, ...]:
    """The names of kaniko's variables."""
    return tuple(row["name"] for row in csv.DictReader((_DATA / "variables.csv").read_text().splitlines()))


def has_default(flag: Flag, text: str) -> bool:
    """Whether a text, as kaniko's definitions write it, is a flag's default here; none stands for any."""
    if not (flag.field and text):
        return True
    default = getattr(BuildSpec(), flag.field)
    return bool(SYNTAX[flag.kind].read(flag, default, text) == default)


def flag_table() -> Iterator[str]:
    """The table of flags, a line each."""
    known = {flag.name: flag for flag in kaniko_flags("executor")}
    yield "| flag | in kaniko | here |"
    yield "|---|---|---|"
    for flag in FLAGS:
        names = [f"--{flag.name}", *([f"--{flag.alias}"] if flag.alias else [])]
        if flag.short:
            names.append(f"-{flag.short}")
        kaniko = known.get(flag.name)
        theirs = (
            f"{kaniko.kind}{f', default `{kaniko.default}`' if kaniko.default else ''}" if kaniko else "no"
        )
        yield f"| {', '.join(f'`{name}`' for name in names)} | {theirs} | {_here(flag)} |"


def _here(flag: Flag) -> str:
    if not flag.field:
        return f"changes nothing: {flag.help}"
    return f"{flag.help}{f'. Unlike kaniko: {flag.unlike}' if flag.unlike else ''}"


def variable_table() -> Iterator[str]:
    """The table of variables, a line each."""
    yield "| variable | here |"
    yield "|---|---|"
    for variable in VARIABLES:
        yield f"| `{variable.name}` | {_meaning(variable)} |"


def _meaning(variable: Variable) -> str:
    return f"changes nothing: {variable.help}" if variable.changes_nothing else variable.help


def with_tables(page: str) -> str:
    """A page with the tables in the place of those that follow the headings Flags and Variables."""
    for heading, table in (("Flags", flag_table()), ("Variables", variable_table())):
        before, after = page.split(f"## {heading}\n", 1)
        intro, rest = after.split("\n| ", 1)
        tail = rest.split("\n\n", 1)[1:] or [""]
        page = (
            f"{before}## {heading}\n{intro}\n" + "\n".join(table) + "\n" + ("\n" + tail[0] if tail[0] else "")
        )
    return page


if __name__ == "__main__":
    place = DOCS / "kaniko.md"
    place.write_text(with_tables(place.read_text()))
