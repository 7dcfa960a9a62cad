"""How the log is written: for people as text, for machines as one JSON object a line."""

import json
import logging
from datetime import UTC, datetime
from typing import TextIO

from yadokari_builder.dockerfile.quoting import printable

_LEVELS = {
    "trace": 5,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "fatal": logging.CRITICAL,
    "panic": logging.CRITICAL,
}
_encode = json.JSONEncoder(ensure_ascii=False).encode
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


def configure(stream: TextIO, verbosity: str, log_format: str, *, timestamp: bool = False) -> None:
    """Send what is logged to `stream`, as `--verbosity`, `--log-format` and `--log-timestamp` say.

    Colours are for terminals only, and JSON always tells the time.
    """
    handler = logging.StreamHandler(stream)
    if log_format == "json":
        handler.setFormatter(JsonFormatter())
    else:
        colour = log_format == "color" and stream.isatty()
        handler.setFormatter(TextFormatter(colour=colour, timestamp=timestamp))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(_LEVELS[verbosity])
    logging.getLogger("urllib3").setLevel(logging.WARNING)


class TextFormatter(logging.Formatter):
    """Lines for people: progress as it is, problems with their level in front, and the time before each."""

    def __init__(self, *, colour: bool, timestamp: bool) -> None:
        super().__init__()
        self._colour = colour
        self._timestamp = timestamp

    def format(self, record: logging.LogRecord) -> str:
        """Write one record, which may take several lines."""
        level = _NAMES.get(record.levelno, "trace")
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
        return "\n".join(f"{_time(record)} {line}" for line in text.split("\n")) if self._timestamp else text


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time (RFC 3339), level, msg, and step and kind where there are any.

    What a step printed comes as many lines at once; each is an object of its own.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Write one record as one line, or several of output."""
        fields = {"time": _time(record), "level": _NAMES.get(record.levelno, "trace")}
        more = {name: getattr(record, name) for name in ("kind", "step", "steps") if hasattr(record, name)}
        if record.exc_info:
            more = {"traceback": self.formatException(record.exc_info), **more}
        message = record.getMessage()
        lines = message.split("\n") if more.get("kind") == "output" else [message]
        before = _encode(fields).removesuffix("}")
        after = f", {_encode(more).removeprefix('{')}" if more else "}"
        return "\n".join(f'{before}, "msg": {_encode(line)}{after}' for line in lines)
