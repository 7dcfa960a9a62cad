"""How the log is written for machines, by both sides alike."""

import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType

LEVELS: Mapping[int, str] = MappingProxyType(
    {
        logging.DEBUG: "debug",
        logging.INFO: "info",
        logging.WARNING: "warning",
        logging.ERROR: "error",
        logging.CRITICAL: "fatal",
    }
)
"""What levels are called; any other is `trace`."""

_encode = json.JSONEncoder(ensure_ascii=False).encode


def time_of(record: logging.LogRecord) -> str:
    """Return when a record was made, in RFC 3339."""
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time (RFC 3339), level, msg, and of `more` what a record has.

    What a step printed comes as many lines at once; each is an object of its own.
    """

    def __init__(self, *more: str) -> None:
        super().__init__()
        self._more = more

    def format(self, record: logging.LogRecord) -> str:
        """Write one record as one line, or several of output."""
        fields = {"time": time_of(record), "level": LEVELS.get(record.levelno, "trace")}
        more = {name: getattr(record, name) for name in self._more if hasattr(record, name)}
        if record.exc_info:
            more = {"traceback": self.formatException(record.exc_info), **more}
        message = record.getMessage()
        lines = message.split("\n") if more.get("kind") == "output" else [message]
        before = _encode(fields).removesuffix("}")
        after = f", {_encode(more).removeprefix('{')}" if more else "}"
        return "\n".join(f'{before}, "msg": {_encode(line)}{after}' for line in lines)
