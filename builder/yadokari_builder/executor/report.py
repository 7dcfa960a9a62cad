"""What a build says while it runs: for people as text, for machines as one JSON object a line."""

import codecs
import json
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TextIO

logger = logging.getLogger(__name__)

_LEVELS = {
    "trace": 5,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "error": logging.ERROR,
    "fatal": logging.CRITICAL,
    "panic": logging.CRITICAL,
}
_NAMES = {
    logging.DEBUG: "debug",
    logging.INFO: "info",
    logging.WARNING: "warning",
    logging.ERROR: "error",
    logging.CRITICAL: "fatal",
}
_COLOURS = {
    "step": "\x1b[1;36m",
    "done": "\x1b[2m",
    "warning": "\x1b[33m",
    "error": "\x1b[1;31m",
    "fatal": "\x1b[1;31m",
}
_UNSAFE = {code: "�" for code in (*range(0x20), 0x7F) if code not in (0x09, 0x1B)}


def configure(stream: TextIO, verbosity: str, log_format: str) -> None:
    """Send what is logged to `stream`, as `--verbosity` and `--log-format` say.

    Colours are for terminals only.
    """
    handler = logging.StreamHandler(stream)
    if log_format == "json":
        handler.setFormatter(JsonFormatter())
    else:
        handler.setFormatter(TextFormatter(colour=log_format == "color" and stream.isatty()))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(_LEVELS[verbosity])
    logging.getLogger("urllib3").setLevel(logging.WARNING)


class TextFormatter(logging.Formatter):
    """Lines for people: progress as it is, problems with their level in front."""

    def __init__(self, *, colour: bool) -> None:
        super().__init__()
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        """Write one record, which may take several lines."""
        level = _NAMES.get(record.levelno, "trace")
        text = record.getMessage()
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        if record.levelno not in (logging.INFO, logging.ERROR):
            text = f"{level}: {text}"
        elif record.levelno == logging.ERROR:
            text = f"error: {text}"
        colour = _COLOURS.get(getattr(record, "kind", level))
        return f"{colour}{text}\x1b[0m" if self._colour and colour else text


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time (RFC 3339), level, msg, and step and kind where there are any."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one record as one line."""
        fields = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": _NAMES.get(record.levelno, "trace"),
            "msg": record.getMessage(),
        }
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        fields |= {name: getattr(record, name) for name in ("kind", "step", "steps") if hasattr(record, name)}
        return json.dumps(fields, ensure_ascii=False)


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
