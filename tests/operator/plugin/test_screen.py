"""Screens are drawn of a log's lines and kept as text: `SCREENS=write` writes them anew, to be looked at."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyte
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubectl_imagebuild.build import Build
from kubectl_imagebuild.progress.conclusion import conclusion
from kubectl_imagebuild.progress.lines import read
from kubectl_imagebuild.progress.screen import Size, screen
from kubectl_imagebuild.progress.state import State
from kubectl_imagebuild.writing import width

SCREENS = Path(__file__).parents[2] / "data/screens"
START = 1_000.0

LOG = (
    "context: 12 files",
    "STEP 1/6 FROM registry.example.com/team/python:3.13-slim@sha256:"
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef AS build",
    "  done in 1.2s: 3 layers unpacked",
    "STEP 2/6 WORKDIR /src",
    "  cached: it changed nothing",
    "STEP 3/6 COPY requirements.txt ./",
    "  cached: 1.2 kB",
    "STEP 4/6 RUN pip install --no-cache-dir -r requirements.txt && python -m compileall -q /usr/local/lib",
    "Collecting flask==3.1.0",
    "  STEP 3/6: 1.2 kB",
    "\x1b[32mDownloading\x1b[0m \x1b]0;a title\x07wheels\x1b[2J",
    "  0% |    |\r 50% |##  |\r100% |####|",
    "",
    "日本語のとても長い一行は端末の幅で切られなければならない。日本語のとても長い一行は端末の幅で切られなければならない。",
    "\tindented by a tab",
    "Installing collected packages: " + ", ".join(f"package-{number}" for number in range(30)),
    "Successfully installed 31 packages",
)


def status(phase: str, **more: Any) -> Build:
    """An ImageBuild whose operator has seen all."""
    reason = more.pop("reason", phase)
    return Build(
        {
            "metadata": {"namespace": "team", "name": "app", "generation": 1},
            "spec": {"destinations": [{"image": "registry.example.com/team/app:1"}]},
            "status": {
                "observedGeneration": 1,
                "phase": phase,
                "conditions": [{"type": "Ready", "reason": reason}],
                **more,
            },
        }
    )


BUILT = status(
    "Succeeded",
    run={"duration": "9s"},
    output={"image": "registry.example.com/team/app:1", "ref": "registry.example.com/team/app@sha256:4c3a"},
)
BROKEN = status(
    "Failed",
    reason="StepFailed",
    steps={"current": 3, "total": 6},
    failure={"reason": "StepFailed", "message": "Dockerfile:4: RUN ended with exit code 1", "line": 4},
)


def heard(*lines: str, begun: bool = True) -> State:
    """A state after these lines, one each second."""
    state = State(START)
    state.see(status("Building"))
    if begun:
        state.start(1)
    for second, line in enumerate(lines, 1):
        if meaning := read(line):
            state.hear(meaning, START + second)
    return state


def at_rest() -> State:
    """A build that failed once for the registry, and waits to be tried again."""
    state = heard(*LOG)
    state.end(START + 30)
    state.see(
        status("Retrying", reason="RegistryError", message="registry.example.com: 503; tried again in 10 s")
    )
    return state


def ended(build: Build, *lines: str) -> State:
    state = heard(*lines)
    state.end(START + len(lines) + 1)
    state.see(build)
    return state


def waiting() -> State:
    state = heard(begun=False)
    state.see(
        status("Pending", reason="Unschedulable", message="0/3 nodes are available: 3 Insufficient cpu.")
    )
    return state


REST = (
    "  done in 8.5s: 61.2 MB",
    "STEP 5/6 COPY . .",
    "  done in 0.1s: 4.1 kB",
    'STEP 6/6 CMD ["flask", "run"]',
)
STATES = {
    "waiting": waiting(),
    "running": heard(*LOG),
    "pushing": heard(*LOG, *REST, "  done in 0.0s", "PUSHING registry.example.com/team/app:1"),
    "retrying": at_rest(),
    "succeeded": ended(BUILT, *LOG, *REST, "  done in 0.0s"),
    "failed": ended(BROKEN, *LOG, "error: Dockerfile:4: RUN ended with exit code 1"),
    "many": heard(*(line for n in range(1, 41) for line in (f"STEP {n}/60 RUN step {n}", "  done in 1.0s"))),
}


def drawn(state: State, size: Size) -> list[str]:
    """What people see of a state."""
    whole = Size(size.columns) if state.build.is_finished else size
    lines = screen(state, START + 20, whole, colours=False)
    return [*lines, *(conclusion(state) if state.build.is_finished else ())]


@pytest.mark.parametrize("columns", [80, 200])
@pytest.mark.parametrize("name", STATES)
def test_a_screen_is_as_it_was_approved(name: str, columns: int) -> None:
    text = "".join(f"{line}\n" for line in drawn(STATES[name], Size(columns, 24)))
    kept = SCREENS / f"{name}-{columns}.txt"
    if os.environ.get("SCREENS") == "write":
        kept.write_text(text)
    assert text == kept.read_text()


@pytest.mark.parametrize("columns", [20, 33, 80, 200])
@pytest.mark.parametrize("name", STATES)
def test_no_line_is_wider_than_the_terminal_whatever_a_step_prints(name: str, columns: int) -> None:
    lines = screen(STATES[name], START + 20, Size(columns, 24), colours=False)
    assert max(map(width, lines)) <= columns
    assert len(lines) < 24
    assert _as_a_terminal_has_it(lines, columns) == [line.rstrip() for line in lines]


def _as_a_terminal_has_it(lines: Sequence[str], columns: int) -> list[str]:
    terminal = pyte.Screen(columns, 50)
    pyte.Stream(terminal).feed("\r\n".join(lines))
    return [line.rstrip() for line in terminal.display[: len(lines)]]


@pytest.mark.parametrize("rows", [3, 6, 10, 24])
@pytest.mark.parametrize("name", STATES)
def test_a_screen_fits_into_the_terminal_that_it_is_drawn_over_and_over_on(name: str, rows: int) -> None:
    assert len(screen(STATES[name], START + 20, Size(80, rows), colours=False)) < rows


def test_colours_change_nothing_but_colours() -> None:
    plain = screen(STATES["running"], START + 20, Size(80, 24), colours=False)
    coloured = screen(STATES["running"], START + 20, Size(80, 24), colours=True)
    assert any("\x1b[" in line for line in coloured)
    assert _as_a_terminal_has_it(coloured, 80) == [line.rstrip() for line in plain]


@given(
    st.lists(st.text(st.characters(exclude_characters="\n", codec="utf-8"), max_size=60), max_size=12),
    st.integers(20, 120),
)
def test_hostile_lines_stay_within_their_columns(lines: list[str], columns: int) -> None:
    shown = screen(heard(*lines), START + 20, Size(columns, 24), colours=False)
    assert all(width(line) <= columns and line.isprintable() for line in shown if line.isascii())
    assert not any(character in line for line in shown for character in "\n\r\t\x1b\x9b")


def test_a_step_that_claims_to_be_another_is_shown_and_has_no_further_effect() -> None:
    state = heard(
        "STEP 1/2 FROM x", "STEP 0/2 none", "STEP 7/2 none", "STEP 999999999/9 none", "STEP 1/1 RUN x"
    )
    assert (state.total, [step.text for step in state.steps]) == (1, ["RUN x"])


def test_a_time_before_each_line_changes_nothing() -> None:
    timed = heard(
        *(f"2026-11-26T20:22:02.123+00:00 {line}" for line in ("STEP 1/1 FROM x", "  done in 1.0s"))
    )
    assert [(step.text, step.seconds) for step in timed.steps] == [("FROM x", 1.0)]
