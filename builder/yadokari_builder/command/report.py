"""How the log is written: for people as text, for machines as one JSON object a line."""

import logging
from collections.abc import Mapping
from types import MappingProxyType
from typing import TextIO

from yadokari_builder.command.sections import SectionHandler, marks_for
from yadokari_builder.dockerfile.quoting import printable
from yadokari_contract.log import LEVELS, JsonFormatter, time_of
from yadokari_contract.terminal import harmless, has_colours

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


def configure(
    stream: TextIO,
    verbosity: str,
    log_format: str,
    *,
    timestamp: bool = False,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Send what is logged to `stream`, as `--verbosity`, `--log-format` and `--log-timestamp` say.

    Colours are for terminals, as the environment has it, and JSON always tells the time. In a CI service
    whose logs have sections each step of a log for people is one.
    """
    marks = None if log_format == "json" else marks_for(environment)
    handler = SectionHandler(stream, marks) if marks else logging.StreamHandler(stream)
    if log_format == "json":
        handler.setFormatter(JsonFormatter("kind", "step", "steps", "cached"))
    else:
        colour = log_format == "color" and has_colours(environment, is_terminal=stream.isatty())
        plain = bool(environment.get("NO_COLOR"))
        handler.setFormatter(TextFormatter(colour=colour, plain=plain, timestamp=timestamp))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(_VERBOSITIES[verbosity])
    # What it warns of is raised in the end; its words show paths and queries, which may hold tokens.
    logging.getLogger("urllib3").setLevel(logging.ERROR)


class TextFormatter(logging.Formatter):
    """Lines for people: progress as it is, problems with their level in front, and the time before each.

    With `plain` what steps print loses its colours, too.
    """

    def __init__(self, *, colour: bool, timestamp: bool, plain: bool = False) -> None:
        super().__init__()
        self._plain = plain
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
        elif self._plain:
            text = harmless(text)
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
