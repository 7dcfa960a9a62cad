import re

from support.pages import DOCS, parse_table
from yadokari_builder.dockerfile.flags import KNOWN
from yadokari_builder.dockerfile.lint import rules
from yadokari_builder.dockerfile.reader import READERS

PAGE = (DOCS / "dockerfile.md").read_text()
FIRST_CELLS = [row[0] for row in parse_table(PAGE).rows]


def documented_flags() -> set[tuple[str, str]]:
    """Instruction and flag: from `COPY --chown` or, after an instruction, from `--retries`."""
    flags = set()
    for cell in FIRST_CELLS:
        instruction = ""
        for keyword, flag in re.findall(r"\*\*([A-Z]+)\*\*|(?<=`)((?:[A-Z]+ )?--[a-z-]+)", cell):
            before, _, name = flag.rpartition("--")
            instruction = keyword or before.strip() or instruction
            if name:
                flags.add((instruction.lower(), name))
    return flags


def test_the_instructions_are_those_of_the_page() -> None:
    bold = [name.lower() for cell in FIRST_CELLS for name in re.findall(r"\*\*([A-Z]+)\*\*", cell)]
    assert sorted(bold) == sorted(READERS)


def test_the_flags_of_instructions_are_those_of_the_page() -> None:
    assert documented_flags() == {(keyword, flag) for keyword, flags in KNOWN.items() for flag in flags}


def test_there_are_as_many_build_checks_as_the_page_says() -> None:
    checks = [value for value in vars(rules).values() if isinstance(value, rules.Rule)]
    assert re.findall(r"the (\d+) build checks", PAGE) == [str(len(checks))]
