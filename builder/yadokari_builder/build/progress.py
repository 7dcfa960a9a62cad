"""How far a build has come: its steps, counted and timed, and what they print."""

import codecs
import io
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

from yadokari_contract.progress import LONGEST_LINE, REPEATED_AFTER, goes_on_line, shortened, step_line
from yadokari_contract.results.build import BaseImage, Phase
from yadokari_contract.results.lodging import LodgingResult
from yadokari_contract.terminal import harmless

logger = logging.getLogger(__name__)

_LONGEST_TEXT = 250

_LONG = LONGEST_LINE // 4
"""Characters of output that may make another line of the log, since they have 4 bytes at most."""


@dataclass(frozen=True, slots=True)
class TimedPhase:
    """A part of a build, and from when to when it was done, by the clock."""

    name: str
    started: float
    ended: float


@dataclass(slots=True)
class TimedStep:
    """A step that was begun, from when to when it was done, by the clock, and what came of it.

    `stage` is the number of its stage, `line` where it stands in the Dockerfile (0 where that is not known),
    `key` by what it was looked for in the cache, empty if it was not. `size` is the bytes of its layer.
    """

    text: str
    stage: int
    stage_name: str
    line: int
    started: float
    ended: float | None = None
    key: str = ""
    cached: bool = False
    size: int | None = None


class Phases:
    """The parts of a build that are timed, in the order they ended in."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.timings: list[TimedPhase] = []
        self._clock = clock

    def __iter__(self) -> Iterator[Phase]:
        return (Phase(it.name, round(it.ended - it.started, 2)) for it in self.timings)

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Time what is done within, whatever comes of it."""
        started = self._clock()
        try:
            yield
        finally:
            self.timings.append(TimedPhase(name, started, self._clock()))


class Progress:
    """Counts the steps of a build, times them and passes on what RUN steps print.

    `total` is how many there are, once that is known, `done` how many of them are done. Of those that change
    files, `cached` is how many an earlier build had done, `performed` how many this one did, and `missed` how
    many of these were looked for in the cache; `misses` are these and why, without those that only follow
    from others. `saved` is how many seconds those that are cached took when they were done. `stage` is the
    name of the stage under way, or its number where it has none; empty before and after all stages. `context`
    is what the build context's location was resolved to, `bases` what the names of images were, once that is
    known. `lodging` is what came of the base that the container was said to be, and which one it could be.
    `timings` are all steps that were begun, those again that were begun again.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.total = 0
        self.done = 0
        self.cached = 0
        self.performed = 0
        self.missed = 0
        self.misses: list[str] = []
        self.saved = 0.0
        self.context = ""
        self.stage = ""
        self.bases: tuple[BaseImage, ...] = ()
        self.lodging: LodgingResult | None = None
        self.timings: list[TimedStep] = []
        self._clock = clock
        self._step = ""
        self._missed_as: tuple[str, ...] | None = None
        self._performed_as: dict[int, tuple[str, ...] | None] = {}
        self._lines = _Lines(self._output)
        self._printed = 0

    @property
    def number(self) -> int:
        """The number of the step under way, or of the next one."""
        return self.done + 1

    def lodge(self, result: LodgingResult) -> None:
        """Note what comes of the base that the container was said to be."""
        stage, message = result.stage[:_LONGEST_TEXT], result.message[:_LONGEST_TEXT]
        image = self.lodging.image if self.lodging else ""
        self.lodging = LodgingResult(stage, result.reason, message, image)

    def unpacked(self, seconds: Mapping[str, float]) -> None:
        """Note how long bases took to be downloaded and unpacked, by their manifests' digests."""
        told = self.lodging
        if told and (took := seconds.get(told.image.partition("@")[2])):
            self.lodging = replace(told, unpacking=round(took, 3))

    def expect(self, total: int) -> None:
        """Tell how many steps there are."""
        self.total = total

    def start_again(self) -> None:
        """Count from the first step again."""
        self.done = self.cached = self.performed = self.missed = 0
        self.misses, self.saved = [], 0.0

    def begin(self, text: str, *, line: int = 0, stage: int = 0) -> TimedStep:
        """Start the next step; `text` is its instruction, on a `line` of the Dockerfile and in a `stage`."""
        begun = TimedStep(text, stage, self.stage, line, self._clock())
        self.timings.append(begun)
        self._step = shortened(text)
        self._missed_as = None
        self._printed = 0
        self._say("step", step_line(self.number, self.total, text))
        return begun

    def output(self, data: bytes) -> None:
        """Pass on what a RUN step printed."""
        self._lines.feed(data)

    def end(self, result: str = "", *, is_performed: bool = False) -> float:
        """End the step, with what came of it, and whether it changes files; returns its seconds."""
        self._lines.flush()
        seconds = self._ended() - self.timings[-1].started
        self._say("done", f"  done in {seconds:.1f}s" + (f": {result}" if result else ""))
        if is_performed:
            self._count_performed(self._missed_as)
        self.done += 1
        return seconds

    def miss(self, why: str, *, follows: bool) -> None:
        """Tell that the step under way is not in the cache; whether that `follows` from another's miss."""
        self._missed_as = () if follows else (f"{self._step}: {why}"[:_LONGEST_TEXT],)
        self._count_missed(self._missed_as)
        self.note(f"cache: {why}")

    def end_cached(self, result: str, seconds: float) -> None:
        """End a step that an earlier build had done in so many seconds, or this one before it began again."""
        self._ended()
        if self.number in self._performed_as:
            self._say("done", f"  done before: {result}")
            misses = self._performed_as[self.number]
            self._count_missed(misses)
            self._count_performed(misses)
            self.done += 1
            return
        self.timings[-1].cached = True
        self._say("done", f"  cached: {result}", cached=True)
        self.done += 1
        self.cached += 1
        self.saved += seconds

    def tell(self, number: int, result: str) -> None:
        """Tell what has come of an earlier step; may be called in any thread."""
        text = f"  STEP {number}/{self.total}: {result}"
        logger.info("%s", text, extra={"kind": "done", "step": number, "steps": self.total})

    def fail(self) -> None:
        """Let out what a failed step printed last."""
        self._lines.flush()

    def _count_missed(self, misses: tuple[str, ...] | None) -> None:
        """Count a step that was looked for, and why it missed, if there is more to say than that one did."""
        if misses is not None:
            self.missed += 1
            self.misses += misses

    def _count_performed(self, misses: tuple[str, ...] | None) -> None:
        """Count the step under way, and keep how it missed: it may be taken when the build begins again."""
        self.performed += 1
        self._performed_as[self.number] = misses

    def _ended(self) -> float:
        """Note when the step under way has ended."""
        self.timings[-1].ended = now = self._clock()
        return now

    def _output(self, text: str) -> None:
        """Say what a step printed, and between it, where it is much, which step that is."""
        lines = text.split("\n")
        begin = 0
        while begin < len(lines):
            part = lines[begin : begin + REPEATED_AFTER - self._printed]
            begin += len(part)
            said = "\n".join(part)
            self._say("output", said)
            self._printed += len(part) + len(said) // _LONG
            if self._printed >= REPEATED_AFTER:
                self._printed = 0
                self._say("note", goes_on_line(self.number, self.total, self._step))

    def note(self, text: str) -> None:
        """Tell something about the step under way."""
        self._say("note", f"  {text}")

    def _say(self, kind: str, text: str, **more: object) -> None:
        logger.info("%s", text, extra={"kind": kind, "step": self.number, "steps": self.total, **more})


class _Lines:
    """Cuts a stream of bytes behind whole lines, of which `emit` gets as many at once as came in at once.

    A carriage return ends a line too, so progress bars stay readable. Of escape sequences colours stay.
    """

    MAX = 16 * 1024

    def __init__(self, emit: Callable[[str], None]) -> None:
        self._emit = emit
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._decoder = io.IncrementalNewlineDecoder(decoder, translate=True)
        self._rest = ""

    def feed(self, data: bytes) -> None:
        whole, end, self._rest = (self._rest + self._decoder.decode(data)).rpartition("\n")
        if end:
            self._emit(harmless(whole, colours=True))
        if len(self._rest) > self.MAX:
            self._emit(harmless(self._rest, colours=True))
            self._rest = ""

    def flush(self) -> None:
        rest = self._rest + self._decoder.decode(b"", final=True)
        self._decoder.reset()
        self._rest = ""
        if rest:
            self._emit(harmless(rest.removesuffix("\n"), colours=True))


def counted(number: int, noun: str) -> str:
    """Write a number of things for people."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
