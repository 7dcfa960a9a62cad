"""How far a build has come: its steps, counted and timed, and what they print."""

import codecs
import logging
import time
from collections.abc import Callable

logger = logging.getLogger(__name__)

_UNSAFE = {code: "�" for code in (*range(0x20), 0x7F) if code not in (0x09, 0x1B)}


class Progress:
    """Counts the steps of a build, times them and passes on what RUN steps print."""

    def __init__(self, total: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.total = total
        self.number = 0
        self._clock = clock
        self._started = clock()
        self._lines = _Lines(self._output)

    def start_again(self) -> None:
        """Count from the first step again."""
        self.number = 0

    def begin(self, text: str) -> None:
        """Start the next step; `text` is its instruction."""
        self.number += 1
        self._started = self._clock()
        self._say("step", f"STEP {self.number}/{self.total} {text}")

    def output(self, data: bytes) -> None:
        """Pass on what a RUN step printed."""
        self._lines.feed(data)

    def end(self, result: str = "") -> None:
        """End the step, with what came of it."""
        self._lines.flush()
        seconds = self._clock() - self._started
        self._say("done", f"  done in {seconds:.1f}s" + (f": {result}" if result else ""))

    def tell(self, number: int, result: str) -> None:
        """Tell what has come of an earlier step; may be called in any thread."""
        text = f"  STEP {number}/{self.total}: {result}"
        logger.info("%s", text, extra={"kind": "done", "step": number, "steps": self.total})

    def fail(self) -> None:
        """Let out what a failed step printed last."""
        self._lines.flush()

    def _output(self, line: str) -> None:
        self._say("output", line)

    def _say(self, kind: str, text: str) -> None:
        logger.info("%s", text, extra={"kind": kind, "step": self.number, "steps": self.total})


class _Lines:
    """Cuts a stream of bytes into lines; a carriage return ends one too, so progress bars stay readable."""

    MAX = 16 * 1024

    def __init__(self, emit: Callable[[str], None]) -> None:
        self._emit = emit
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""

    def feed(self, data: bytes) -> None:
        text = self._rest + self._decoder.decode(data).replace("\r\n", "\n")
        *lines, self._rest = text.replace("\r", "\n").split("\n")
        for line in lines:
            self._emit(line.translate(_UNSAFE))
        if len(self._rest) > self.MAX:
            self.flush()

    def flush(self) -> None:
        if self._rest:
            self._emit(self._rest.translate(_UNSAFE))
        self._rest = ""


def human_size(size: int) -> str:
    """Write a number of bytes for people, in powers of 1,000."""
    value = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def counted(number: int, noun: str) -> str:
    """Write a number of things for people."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
