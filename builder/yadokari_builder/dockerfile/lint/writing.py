"""Rules about how a Dockerfile is written, to be judged before it is understood."""

from collections.abc import Sequence
from dataclasses import replace

from yadokari_builder.dockerfile.lint import rules
from yadokari_builder.dockerfile.lint.linter import Linter
from yadokari_builder.dockerfile.parser import Stage
from yadokari_builder.dockerfile.predefined import RESERVED_STAGE_NAMES
from yadokari_builder.dockerfile.quoting import quote
from yadokari_builder.dockerfile.tree import Node


def check_continuation(linter: Linter, node: Node) -> None:
    """Warn of blank lines within an instruction."""
    if node.has_blank_line:
        end = replace(node.origin.location, start=node.last_line, end=node.last_line)
        linter.warn(rules.NO_EMPTY_CONTINUATION, "Empty continuation line", end)


def check_node(linter: Linter, node: Node) -> None:
    """Judge one instruction's writing."""
    if node.name == "maintainer":
        _warn(
            linter,
            rules.MAINTAINER_DEPRECATED,
            "Maintainer instruction is deprecated in favor of using label",
            node,
        )
    elif node.name == "from" and len(node.words) == 3:
        _check_from(linter, node)


def check_description(linter: Linter, node: Node) -> None:
    """Warn of a comment above an ARG or a named stage that does not describe it."""
    if node.name == "from" and len(node.words) == 3:
        names = [node.words[2].lower()]
    elif node.name == "arg":
        names = [word.partition("=")[0] for word in node.words]
    else:
        return
    comments = node.origin.comments
    if comments and comments[-1].partition(" ")[0] not in names:
        example = names[0] if len(names) == 1 else "<arg_key>"
        message = f"Comment for {node.name.upper()} should follow the format: `# {example} <description>`"
        _warn(linter, rules.INVALID_DEFINITION_DESCRIPTION, message, node)


def _check_from(linter: Linter, node: Node) -> None:
    _, keyword, name = node.words
    if name != name.lower():
        _warn(linter, rules.STAGE_NAME_CASING, f"Stage name '{name}' should be lowercase", node)
    is_lower, is_upper = node.keyword == node.keyword.lower(), node.keyword == node.keyword.upper()
    if (is_lower and keyword != keyword.lower()) or (is_upper and keyword != keyword.upper()):
        message = f"'{keyword}' and '{node.keyword}' keywords' casing do not match"
        _warn(linter, rules.FROM_AS_CASING, message, node)


def _warn(linter: Linter, rule: rules.Rule, message: str, node: Node) -> None:
    linter.warn(rule, message, node.origin.location, node.origin.comments)


def check_stage_names(linter: Linter, stages: Sequence[Stage]) -> None:
    """Warn of names that are reserved or used twice."""
    seen: set[str] = set()
    for stage in stages:
        if not stage.name:
            continue
        if stage.name in RESERVED_STAGE_NAMES:
            message = f"Stage name should not use the same name as reserved stage {quote(stage.name)}"
            linter.warn(rules.RESERVED_STAGE_NAME, message, stage.location)
        if stage.name in seen:
            message = f"Duplicate stage name {quote(stage.name)}, stage names should be unique"
            linter.warn(rules.DUPLICATE_STAGE_NAME, message, stage.location)
        seen.add(stage.name)


def check_keyword_casing(linter: Linter, stages: Sequence[Stage]) -> None:
    """Warn of keywords that are not in the case that most of them are in."""
    origins = [one.origin for stage in stages for one in (stage.base, *stage.instructions)]
    lower = sum(origin.keyword == origin.keyword.lower() for origin in origins)
    upper = sum(origin.keyword == origin.keyword.upper() for origin in origins)
    in_case, case = (str.lower, "lowercase") if lower > upper else (str.upper, "uppercase")
    for origin in origins:
        if origin.keyword != in_case(origin.keyword):
            message = f"Command '{origin.keyword}' should match the case of the command majority ({case})"
            linter.warn(rules.CONSISTENT_INSTRUCTION_CASING, message, origin.location)
