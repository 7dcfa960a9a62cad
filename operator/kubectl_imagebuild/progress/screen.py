"""A build on a terminal, as buildx shows it: a line for each step, and the last lines of the one under way.

Pure: a state and the size of a terminal in, its lines out. None is wider than the terminal.
"""

from dataclasses import dataclass

from kubectl_imagebuild.progress.state import State, Step
from kubectl_imagebuild.writing import fit, one_line, width
from yadokari_contract.terminal import RESET, harmless

_TAIL = 6
_LEAST_COLUMNS = 20
_TITLE, _DONE, _FAILED, _DIM = "\x1b[1m", "\x1b[36m", "\x1b[1;31m", "\x1b[2m"


@dataclass(frozen=True, slots=True)
class Size:
    """A terminal's columns and rows; all of what is shown has to fit where `rows` is not 0."""

    columns: int
    rows: int = 0


def screen(state: State, now: float, size: Size, *, colours: bool) -> list[str]:
    """Draw a build."""
    pen = _Pen(max(size.columns, _LEAST_COLUMNS), colours=colours)
    lines = [pen.row(_title(state, now), "", _TITLE)]
    shown = [step for step in state.steps if step.label]
    waiting = _waiting(state)
    tail = _tail_of(state)
    room = size.rows - 2 - len(tail) - bool(waiting)
    left_out = max(0, len(shown) - max(room - 1, 1)) if size.rows and len(shown) > room else 0
    if left_out:
        lines.append(pen.row(f" => … {left_out} steps before", "", _DIM))
    lines += [
        pen.row(f" => {_described(step)}", f"{step.elapsed(now):.1f}s", _style(step))
        for step in shown[left_out:]
    ]
    lines += [pen.row(f" => => # {line}", "", _DIM) for line in tail]
    if waiting:
        lines.append(pen.row(f" => {waiting}", "", ""))
    return (
        lines if not size.rows or len(lines) < size.rows else [lines[0], *lines[len(lines) - size.rows + 2 :]]
    )


def _title(state: State, now: float) -> str:
    ended = state.ended if state.is_over and state.build.is_finished else now
    seconds = f"{max(0.0, ended - state.began):.1f}s"
    count = f" ({state.done}/{state.total})" if state.total else ""
    again = f", attempt {state.attempt}" if state.attempt > 1 else ""
    platform = f", {state.platform}" if state.platform else ""
    return f"[+] Building {state.build.key} {seconds}{count}{again}{platform}"


def _waiting(state: State) -> str:
    """Say what the build waits for, where no executor works on it."""
    if state.build.is_finished or (state.attempt and not state.is_over):
        return ""
    reason = state.build.reason or state.build.phase
    return f"{reason}: {state.build.message}" if state.build.message else reason


def _tail_of(state: State) -> list[str]:
    last = state.steps[-1] if state.steps else None
    if last is None or state.is_over or (last.label and last.seconds is not None):
        return []
    return [text for text in (printed(line) for line in last.tail) if text][-_TAIL:]


def _described(step: Step) -> str:
    mark = "CACHED " if step.cached else "ERROR " if step.failed else ""
    return f"{mark}{step.label} {one_line(step.text)}"


def _style(step: Step) -> str:
    if step.failed:
        return _FAILED
    return "" if step.seconds is None else _DONE


def printed(line: str) -> str:
    """Return a line of a step's output; of one that was drawn again and again, its last form."""
    return harmless(line.rstrip("\r").rpartition("\r")[2]).expandtabs(8).rstrip()


@dataclass(frozen=True, slots=True)
class _Pen:
    columns: int
    colours: bool

    def row(self, left: str, right: str, style: str) -> str:
        """Write a line, with something at its right end."""
        room = self.columns - width(right) - bool(right)
        left = fit(left, room)
        gap = " " * (room - width(left) + 1) if right else ""
        return f"{style}{left}{gap}{right}{RESET}" if self.colours and style else f"{left}{gap}{right}"
