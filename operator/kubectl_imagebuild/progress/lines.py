"""What the lines of an executor's log tell.

    STEP 3/12 RUN make              a step begins
      done in 1.5s: 2.1 kB          it has ended
      cached: 2.1 kB                an earlier build had done it
      STEP 2/12: 1.2 MB             what has come of an earlier step
    PUSHING registry.test/app:1     all steps are done

Where the executor is asked for it, a time stands before each. All others are what a step prints. A step can
print such lines, too: what they tell is shown, and nothing else follows from it.
"""

import re
from dataclasses import dataclass

from yadokari_contract.progress import parse_line

_TIME = re.compile(r"^[-+:.0-9TZ]{20,35} ", re.ASCII)
_DONE = re.compile(r"  done in (\d{1,9}\.\d)s(?:: (.*))?", re.ASCII)
_CACHED = re.compile(r"  cached: (.*)")
_TOLD = re.compile(r"  STEP (\d{1,6})/\d{1,6}: .*", re.ASCII)


@dataclass(frozen=True, slots=True)
class StepBegan:
    """A step begins: its number of how many, and its instruction."""

    number: int
    total: int
    text: str


@dataclass(frozen=True, slots=True)
class StepEnded:
    """The step under way has ended, after so many seconds; `cached` tells that it was not done again."""

    seconds: float
    cached: bool = False


@dataclass(frozen=True, slots=True)
class Pushing:
    """The image is pushed."""

    text: str


@dataclass(frozen=True, slots=True)
class Printed:
    """Any other line."""

    text: str


Line = StepBegan | StepEnded | Pushing | Printed


def read(line: str) -> Line | None:
    """Tell what a line means; None for one that is of no interest on a screen."""
    if told := parse_line(line.encode(errors="replace")):
        if told.phase == "Pushing":
            return Pushing(told.text)
        return StepBegan(told.step, told.steps, told.text)
    line = _TIME.sub("", line)
    if found := _DONE.fullmatch(line):
        return StepEnded(float(found[1]))
    if _CACHED.fullmatch(line):
        return StepEnded(0.0, cached=True)
    return None if _TOLD.fullmatch(line) else Printed(line)
