"""How far a build has come, gathered from what its log and its status tell."""

from collections import deque
from dataclasses import dataclass, field

from kubectl_imagebuild.build import FAILED, RETRYING, Build
from kubectl_imagebuild.progress.lines import Line, Printed, Pushing, StepBegan, StepEnded

_UNDONE = (FAILED, RETRYING)
TAIL = 50
"""How many lines of a step are kept."""


@dataclass(slots=True)
class Step:
    """A step, or the push after the last one; `began` is a time in seconds, `seconds` is None meanwhile."""

    label: str
    text: str
    began: float
    seconds: float | None = None
    cached: bool = False
    failed: bool = False
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=TAIL))

    def elapsed(self, now: float) -> float:
        """Tell how long it took, or takes by now."""
        return max(0.0, now - self.began) if self.seconds is None else self.seconds


@dataclass(slots=True)
class State:
    """A build as it is followed, since `began`; of its latest attempt alone the steps are kept.

    `unended` is the step that an attempt's log breaks off in, where it failed if it did; so does the push.
    """

    began: float
    build: Build = field(default_factory=lambda: Build({}))
    steps: list[Step] = field(default_factory=list)
    total: int = 0
    attempt: int = 0
    platform: str = ""
    is_over: bool = False
    ended: float = 0.0
    unended: Step | None = None

    def see(self, build: Build) -> None:
        """Take a new look at the ImageBuild."""
        self.build = build
        if self.unended and build.phase in _UNDONE:
            self.unended.failed = True

    def start(self, attempt: int, platform: str = "") -> None:
        """Begin with an attempt's log."""
        self.attempt, self.platform = attempt, platform
        self.total, self.is_over, self.unended = 0, False, None
        self.steps.clear()

    def hear(self, line: Line, now: float) -> None:
        """Take a line of the log, which was written at `now`."""
        self.began = min(self.began, now)
        match line:
            case StepBegan(number, total, text):
                if number == 1:
                    self.steps.clear()
                self._end_last(now)
                self.total = total
                self.steps.append(Step(f"[{number}/{total}]", text, now))
            case StepEnded(seconds, cached) if step := self.current:
                step.seconds, step.cached = seconds, cached
            case Pushing(text):
                self._end_last(now)
                self.steps.append(Step("pushing", text, now))
            case Printed(text):
                self._print(text, now)

    def end(self, now: float) -> None:
        """Take note that the attempt's log is at its end."""
        self.unended = self.current
        self._end_last(now)
        self.is_over, self.ended = True, now

    @property
    def current(self) -> Step | None:
        """The step under way."""
        return self.steps[-1] if self.steps and self.steps[-1].seconds is None else None

    @property
    def done(self) -> int:
        """How many steps have ended well."""
        numbered = (step for step in self.steps if step.label.startswith("["))
        return sum(step.seconds is not None and step is not self.unended for step in numbered)

    def _end_last(self, now: float) -> None:
        if self.current:
            self.current.seconds = self.current.elapsed(now)

    def _print(self, text: str, now: float) -> None:
        if not self.steps:
            self.steps.append(Step("", "", now, seconds=0.0))
        self.steps[-1].tail.append(text)
