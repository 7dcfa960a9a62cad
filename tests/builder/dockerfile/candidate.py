"""Answers rows of parser fixtures: JSON lines in, JSON lines out.

Run as `python candidate.py`, or imported for `answer`. Each kind of row has one function below.
"""

import json
import posixpath
import sys
from collections.abc import Callable
from typing import Any

from builder.plan.planning import drafted
from yadokari_builder.dockerfile import (
    arguments,
    gitref,
    heredoc,
    ignore,
    mounts,
    ports,
    substitution,
    words,
)
from yadokari_builder.dockerfile.directives import DEFAULT_ESCAPE
from yadokari_builder.dockerfile.instructions import Copy, Run
from yadokari_builder.dockerfile.location import LanguageError
from yadokari_builder.dockerfile.parser import parse, read_instructions
from yadokari_builder.dockerfile.quoting import quote, quote_all
from yadokari_builder.dockerfile.tree import Node, read_tree
from yadokari_builder.errors import DockerfileError

Row = dict[str, Any]


def answer(row: Row) -> Any:
    try:
        return ANSWERS[row["kind"]](row)
    except (LanguageError, DockerfileError) as error:
        return {"error": error.message}


def parse_dump(row: Row) -> str:
    return "".join(f"({dump(node)})\n" for node in read_tree(row["input"]).nodes)


def dump(node: Node) -> str:
    flags = [quote_all(node.flags)] if node.flags else []
    rest = [f"({dump(node.trigger)})"] if node.trigger else map(quote, node.arguments.words)
    return " ".join([node.name, *flags, *rest])


def parse_lines(row: Row) -> Row:
    locations = [node.origin.location for node in read_tree(row["input"]).nodes]
    return {
        "children": [[location.start, location.end] for location in locations],
        "start": locations[0].start,
        "end": locations[-1].end,
    }


def parse_words(row: Row) -> list[str]:
    return arguments.split_words(row["input"], DEFAULT_ESCAPE)


def json_form(row: Row) -> Row:
    return {"array": list(arguments.parse_json(row["input"]) or ())}


def parse_warnings(row: Row) -> Row:
    nodes = [node for node in read_tree(row["input"]).nodes if node.has_blank_line]
    return {"warnings_contain": [node.origin.text for node in nodes]}


def heredocs_of_dockerfile(row: Row) -> list[list[Row]]:
    return [
        [
            {
                "name": body.mark.name,
                "fd": body.mark.file_descriptor,
                "expand": body.mark.expand,
                "chomp": body.mark.chomp,
                "content": body.content,
            }
            for body in node.heredocs
        ]
        for node in read_tree(row["input"]).nodes[1:]
    ]


def heredoc_word(row: Row) -> Row | None:
    mark = heredoc.parse_mark(row["input"])
    return {"name": mark.name} if mark else None


def heredocs_of_line(row: Row) -> list[str]:
    return [mark.name for mark in heredoc.marks_of(row["input"])]


def instruction_heredoc(row: Row) -> Row:
    try:
        (instruction,) = parse(f"FROM scratch\n{row['input']}").stages[0].instructions
    except DockerfileError as error:
        return {"expectedError": error.message}
    if isinstance(instruction, Copy):
        contents = [
            {"Path": source.name, "Data": source.content, "Expand": source.expand}
            for source in instruction.heredocs
        ]
        destination = instruction.destination
        sources = list(instruction.sources)
        return {
            "sourcesAndDest": {"DestPath": destination, "SourcePaths": sources, "SourceContents": contents}
        }
    assert isinstance(instruction, Run)
    command = instruction.command
    files = [{"Name": file.name, "Data": file.content, "Chomp": file.chomp} for file in command.heredocs]
    return {"command": list(command.words), "shell": command.shell, "files": files}


def word(row: Row) -> Row:
    env = dict(item.split("=", 1) for item in row["env"])
    return {"result": words.expand_word(row["input"], env, row["escape"])}


def split(row: Row) -> Row:
    env = dict(item.split("=", 1) for item in row["env"])
    return {"words": list(words.process(row["input"], env, row["escape"]).words)}


def glob_to_regex(row: Row) -> Row:
    return {"regex": "^" + ".*".join(substitution.between_stars(row["input"]))}


def instruction_error(row: Row) -> Row:
    for instruction in read_instructions(read_tree(row["input"])):
        raise AssertionError(f"{instruction} was not refused")
    raise AssertionError("there was no instruction")


def run_device_flag(row: Row) -> Row:
    try:
        device = mounts.parse_device(row["input"])
    except LanguageError as error:
        return {"input": row["input"], "expectedErr": {"$expr": f"errors.New({quote(error.message)})"}}
    return {"input": row["input"], "expected": {"Name": device.name, "Required": device.required}}


def expose_port(row: Row) -> Row:
    return {"ports": list(ports.parse(row["input"]))}


def git_ref(row: Row) -> Row | None:
    try:
        ref = gitref.parse_git_ref(row["input"])
    except LanguageError:
        return None
    if ref is None:
        return None
    return {
        "Remote": ref.remote,
        "ShortName": ref.remote.rpartition("/")[2].removesuffix(".git"),
        "Ref": ref.ref,
        "SubDir": ref.subdir,
        "Checksum": ref.checksum,
        "MTime": ref.mtime,
        "IndistinguishableFromLocal": ref.looks_local,
        "UnencryptedTCP": ref.remote.startswith(("http://", "git://")),
        "FetchByCommit": ref.fetch_by_commit,
    }


def git_fragment(row: Row) -> str:
    try:
        ref = gitref.parse_git_ref(row["input"])
    except LanguageError:
        ref = None
    if ref is None:
        return str(row["input"])
    subdir = posixpath.normpath(f"/{ref.subdir}").strip("/") if "WithSubdir" in row["name"] else ""
    return f"{ref.remote}#{ref.ref}{subdir and ':'}{subdir}" if ref.ref or subdir else ref.remote


def ignore_match(row: Row) -> bool:
    return ignore.IgnorePatterns.of(row["patterns"]).matches(ignore.clean(row["input"]))


def ignore_pattern_error(row: Row) -> bool:
    return bool(ignore.IgnorePatterns.of(row["patterns"]))


def pattern_match(row: Row) -> Row:
    """The rows are those of Go's filepath.Match, but their expectations are those of ignore patterns."""
    try:
        matched, is_wrong = ignore_match(row), False
    except LanguageError:
        matched, is_wrong = False, True
    return {"match": matched, "error": str(is_wrong).lower()}


def pattern_regexp(row: Row) -> str:
    return ignore.wildcard_regex(ignore.clean(row["input"]))


def lint(row: Row) -> Row:
    build_args = {
        name.removeprefix("build-arg:"): value
        for name, value in row.get("attrs", {}).items()
        if name.startswith("build-arg:")
    }
    report = drafted(row["input"], ignore=row.get("dockerignore") or "", args=build_args)
    warnings = [
        {
            "RuleName": warning.rule.name,
            "Detail": warning.message,
            "Description": warning.rule.description,
            "URL": warning.rule.url,
            "Line": warning.location.start,
        }
        for warning in report.warnings
    ]
    # BuildKit's own tests compare them in this order.
    warnings.sort(key=lambda warning: (warning["Line"], warning["Detail"]))
    if not report.error:
        return {"warnings": warnings}
    return {
        "warnings": warnings,
        "build_error": prefixed(row["input"], report.error),
        "build_error_line": report.error.line,
    }


def prefixed(text: str, error: DockerfileError) -> str:
    """BuildKit names the line in the message where an instruction by itself is wrong."""
    try:
        list(read_instructions(read_tree(text)))
    except DockerfileError:
        return f"dockerfile parse error on line {error.line}: {error.message}"
    return error.message


ANSWERS: dict[str, Callable[[Row], Any]] = {
    "parse_dump": parse_dump,
    "parse_error": parse_dump,
    "parse_lines": parse_lines,
    "parse_words": parse_words,
    "json_form": json_form,
    "parse_warnings": parse_warnings,
    "line_too_long": parse_dump,
    "heredocs_of_dockerfile": heredocs_of_dockerfile,
    "heredoc_word": heredoc_word,
    "heredocs_of_line": heredocs_of_line,
    "heredoc_chomp": lambda row: heredoc.chomp(row["input"]),
    "instruction_heredoc": instruction_heredoc,
    "word": word,
    "words": split,
    "glob_to_regex": glob_to_regex,
    "instruction_error": instruction_error,
    "run_device_flag": run_device_flag,
    "expose_port": expose_port,
    "git_ref": git_ref,
    "lint": lint,
    "git_fragment": git_fragment,
    "ignore_match": ignore_match,
    "ignore_pattern_error": ignore_pattern_error,
    "ignore_file": lambda row: ignore.read_ignore_file(row["input"]),
    "filepath_match": pattern_match,
    "pattern_regexp": pattern_regexp,
}


def main() -> None:
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))))


if __name__ == "__main__":
    main()
