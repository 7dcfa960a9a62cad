"""The table of docs/security.md, from the attacks themselves: PYTHONPATH=tests python -m support.security."""

import ast
from pathlib import Path

from support.pages import DOCS

ATTACKS = Path(__file__).parents[1] / "attack"
PAGE = DOCS / "security.md"
HEADING = "## What is tried\n"


def table() -> str:
    """Write the table: a row for each file of attacks, with what its tests show, in their own words."""
    rows = "".join(map(_row, sorted(ATTACKS.glob("test_*.py"))))
    return f"| who | what is shown |\n|---|---|\n{rows}"


def _row(path: Path) -> str:
    module = ast.parse(path.read_text())
    who = (ast.get_docstring(module) or "").partition("\n")[0].rstrip(".")
    names = [node.name for node in module.body if isinstance(node, ast.FunctionDef)]
    shown = "; ".join(name[5:].replace("_", " ") for name in names if name.startswith("test_"))
    return f"| [{who}](../tests/attack/{path.name}) | {shown} |\n"


def main() -> None:
    """Write the table into the page, in the place of the one that is there."""
    before, _, section = PAGE.read_text().partition(HEADING)
    words = "".join(line for line in section.splitlines(keepends=True) if not line.startswith("|"))
    PAGE.write_text(f"{before}{HEADING}{words.rstrip()}\n\n{table()}")


if __name__ == "__main__":
    main()
