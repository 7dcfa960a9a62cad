"""Lines of the executor's log that tell how far a build has come.

`STEP 3/12 RUN make` begins a step, `PUSHING registry.test/app:1` the end of a build; `--log-timestamp` puts a
time before them. `STEP 3/12 (goes on) RUN make` stands between what a step prints, so that the end of a log
tells the same, however long it is. A step may print such lines as well: what they tell is text to show and
nothing to trust.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

BuildPhase = Literal["Pulling", "Building", "Pushing"]

MARKERS = (b"STEP ", b"PUSHING ")
"""What a line has to have in it to be one of them."""

MAX_LINE = 2048
"""Bytes of the longest line that counts; the executor's own are much shorter."""

REPEATED_AFTER = 500
"""How many lines of a log, as container runtimes cut them, may stand between two lines that tell progress."""

LONGEST_LINE = 16 * 1024
"""Bytes of a line in a node's log files: container runtimes cut longer ones."""

_GOES_ON = "(goes on) "
_LONGEST_TEXT = 120
_TIME = r"(?:[-+:.0-9TZ]{20,35} )?"
_STEP = re.compile(rf"{_TIME}STEP ([0-9]{{1,6}})/([0-9]{{1,6}}) (\S.*)", re.ASCII)
_PUSHING = re.compile(rf"{_TIME}PUSHING (\S.*)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a build has come: the step under way, of how many, and its text.

    While it pushes it is in no step (0 of 0), and the text is where to.
    """

    phase: BuildPhase
    step: int
    steps: int
    text: str


def step_line(number: int, total: int, instruction: str) -> str:
    """Write the line that begins a step."""
    return f"STEP {number}/{total} {shortened(instruction)}"


def goes_on_line(number: int, total: int, instruction: str) -> str:
    """Write the line that tells the step which is under way."""
    return f"STEP {number}/{total} {_GOES_ON}{shortened(instruction)}"


def pushing_line(images: Iterable[str]) -> str:
    """Write the line that begins the push."""
    return f"PUSHING {', '.join(images)}"


def parse_line(line: bytes) -> Progress | None:
    """Read a line; `None` if it does not tell progress, or what cannot be."""
    text = line[:MAX_LINE].decode(errors="replace").rstrip()
    if pushing := _PUSHING.fullmatch(text):
        return Progress("Pushing", 0, 0, _shown(pushing[1]))
    found = _STEP.fullmatch(text)
    if found is None or not 0 < int(found[1]) <= int(found[2]):
        return None
    instruction = found[3].removeprefix(_GOES_ON)
    phase: BuildPhase = "Pulling" if instruction.upper().startswith("FROM ") else "Building"
    return Progress(phase, int(found[1]), int(found[2]), _shown(instruction))


def shortened(text: str) -> str:
    """Return what fits into a line of an instruction, which may have hundreds of them."""
    line = text.partition("\n")[0]
    return text if len(text) <= _LONGEST_TEXT else f"{line[: _LONGEST_TEXT - 1].rstrip()}…"


def _shown(text: str) -> str:
    cut = text if len(text) <= _LONGEST_TEXT else f"{text[: _LONGEST_TEXT - 1]}…"
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in cut)
