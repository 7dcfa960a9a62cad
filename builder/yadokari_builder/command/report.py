"""How the log is written: for people as text, for machines as one JSON object a line."""

import logging
from typing import TextIO

from yadokari_builder.dockerfile.quoting import printable
from yadokari_contract.log import LEVELS, JsonFormatter, time_of

_VERBOSITIES = {
    "trace": 5,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "fatal": logging.CRITICAL,
    "panic": logging.CRITICAL,
}
_COLOURS = {
    "step": "\x1b[1;36m",
    "done": "\x1b[2m",
    "warning": "\x1b[33m",
    "error": "\x1b[1;31m",
    "fatal": "\x1b[1;31m",
}


def configure(stream: TextIO, verbosity: str, log_format: str, *, timestamp: bool = False) -> None:
    """Send what is logged to `stream`, as `--verbosity`, `--log-format` and `--log-timestamp` say.

    Colours are for terminals only, and JSON always tells the time.
    """
    handler = logging.StreamHandler(stream)
    if log_format == "json":
        handler.setFormatter(JsonFormatter("kind", "step", "steps", "cached"))
    else:
        colour = log_format == "color" and stream.isatty()
        handler.setFormatter(TextFormatter(colour=colour, timestamp=timestamp))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(_VERBOSITIES[verbosity])
    # What it warns of is raised in the end; its words show paths and queries, which may hold tokens.
    logging.getLogger("urllib3").setLevel(logging.ERROR)


class TextFormatter(logging.Formatter):
    """Lines for people: progress as it is, problems with their level in front, and the time before each."""

    def __init__(self, *, colour: bool, timestamp: bool) -> None:
        super().__init__()
        self._colour = colour
        self._timestamp = timestamp

    def format(self, record: logging.LogRecord) -> str:
        """Write one record, which may take several lines."""
        level = LEVELS.get(record.levelno, "trace")
        text = record.getMessage()
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        if getattr(record, "kind", "") != "output":
            # Names of images, files and users are in it, and hostile to terminals perhaps.
            text = "\n".join(map(printable, text.split("\n")))
        if record.levelno not in (logging.INFO, logging.ERROR):
            text = f"{level}: {text}"
        elif record.levelno == logging.ERROR:
            text = f"error: {text}"
        colour = _COLOURS.get(getattr(record, "kind", level))
        text = f"{colour}{text}\x1b[0m" if self._colour and colour else text
        if not self._timestamp:
            return text
        time = time_of(record)
        return "\n".join(f"{time} {line}" for line in text.split("\n"))
