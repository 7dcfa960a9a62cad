"""Rows of parser fixtures, recorded from BuildKit's own tests; they stay outside of the repository."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from builder.dockerfile.candidate import answer

SHARED = Path(os.environ.get("YADOKARI_SHARED") or Path(__file__).parents[4] / "shared")
FIXTURES = SHARED / "conformance" / "fixtures"
NAMES = ("gitref", "heredoc", "instructions", "lint", "parser", "patterns", "shell")

WRONG = {
    "RUN <<- EOF": "the Go test loops over the heredocs found, and there are none: `<<-` ends at the space",
    "testExposeInvalidFormat:1588": "the order is that of the Go source; the Go test sorts both sides first",
    "testBaseImagePlatformMismatch:1943": "Go expressions stand where the image and the platforms should",
    "testBaseImagePlatformMismatch:1962": "Go expressions stand where the image and the platforms should",
}
"""Rows that say what BuildKit does not do, and why."""

OF_THE_BUILD = ("stream_error_regexp", "build_error_line", "name")
"""What an expectation tells of a build's log, or the name of a test: parsing and judging cannot know it."""


def rows(name: str) -> list[dict[str, Any]]:
    path = FIXTURES / f"{name}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def matches(expected: Any, got: Any) -> bool:
    """As replay.py: what is expected is a part of what was got; empty and absent are one."""
    if isinstance(expected, dict):
        if isinstance(expected.get("error"), bool | str) and set(expected) == {"error"}:
            return is_error(expected["error"], got)
        return isinstance(got, dict) and all(matches(value, got.get(key)) for key, value in expected.items())
    if isinstance(expected, list):
        return isinstance(got, list) and len(expected) == len(got) and all(map(matches, expected, got))
    return bool(expected == got or (not expected and got in (None, "", [], {}, False, "false")))


def is_error(expected: bool | str, got: Any) -> bool:
    if not (isinstance(got, dict) and got.get("error")):
        return False
    return expected is True or str(expected).lower() in str(got["error"]).lower()


def comparable(row: dict[str, Any]) -> Any:
    expected = row["expected"]
    if row["kind"] == "filepath_match":
        return expected | {"error": str(expected["error"]).lower()}
    if not isinstance(expected, dict) or row["kind"] not in ("lint", "instruction_heredoc"):
        return expected
    ignored = set() if "build_error" in expected else set(OF_THE_BUILD)
    return {key: value for key, value in expected.items() if key not in ignored}


@pytest.mark.shared
@pytest.mark.skipif(not FIXTURES.is_dir(), reason=f"there are no fixtures at {FIXTURES}")
@pytest.mark.parametrize("name", NAMES)
def test_every_row_is_answered_as_buildkit_does(name: str) -> None:
    known = [row for row in rows(name) if row["name"] not in WRONG]
    differences = {
        row["name"]: (comparable(row), got)
        for row in known
        if not matches(comparable(row), got := answer(row))
    }
    assert known
    assert differences == {}
