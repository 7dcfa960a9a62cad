import argparse
import re

from kubectl_imagebuild.command_line import parser
from support.pages import DOCS

PAGE = (DOCS / "plugin.md").read_text()
VERBS = next(
    dict(action.choices) for action in parser()._actions if isinstance(action, argparse._SubParsersAction)
)


def section(verb: str) -> str:
    return PAGE.partition(f"\n## {verb}\n")[2].partition("\n## ")[0]


def test_every_verb_has_its_section_in_the_order_of_the_help() -> None:
    assert [title for title in re.findall(r"^## (\w+)", PAGE, re.M) if title != "Install"] == [*VERBS]


def test_every_flag_of_a_verb_is_in_its_section_or_among_those_that_all_have() -> None:
    for verb, its in VERBS.items():
        flags = {name for action in its._actions for name in action.option_strings if name.startswith("--")}
        told = section(verb) + section("Install")
        told += section("logs") if "--progress" in flags else ""
        missing = {flag for flag in flags - {"--help", "--all-namespaces", "--selector"} if flag not in told}
        assert missing - {"--output", "--follow"} == set(), verb


def test_every_command_that_is_shown_can_be_read() -> None:
    shown = re.findall(r"^    \$ kubectl imagebuild ([^|&\n]*)", PAGE, re.M)
    assert len(shown) > 10
    for command in shown:
        parser().parse_args(command.replace("[FOLDER]", "FOLDER").split())


def test_nobody_is_told_to_install_another_project_of_the_same_name() -> None:
    commands = re.findall(r"(?:uv tool|pipx?) install (\S+)", PAGE)
    assert commands
    assert "yadokari" not in commands
