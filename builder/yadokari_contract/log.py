"""How the log is written for machines, by both sides alike."""

import json
import logging
import re
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

_plain = json.JSONEncoder(ensure_ascii=False).encode
# What JSON lets through and terminals obey, or take for the end of a line.
_OBEYED = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def _encode(value: object) -> str:
    return _OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", _plain(value))


def time_of(record: logging.LogRecord) -> str:
    """Return when a record was made, in RFC 3339."""
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time (RFC 3339), level, msg, and of `more` what a record has.

    What `renamed` names has another name in the record than in the line. What a step printed
    comes as many lines at once; each is an object of its own.
    """

    def __init__(self, *more: str, **renamed: str) -> None:
        super().__init__()
        self._more = {**dict(zip(more, more, strict=True)), **renamed}

    def format(self, record: logging.LogRecord) -> str:
        """Write one record as one line, or several of output."""
        fields = {"time": time_of(record), "level": LEVELS.get(record.levelno, "trace")}
        more = {
            name: getattr(record, attribute)
            for name, attribute in self._more.items()
            if hasattr(record, attribute)
        }
        if record.exc_info:
            more = {"traceback": self.formatException(record.exc_info), **more}
        message = record.getMessage()
        lines = message.split("\n") if more.get("kind") == "output" else [message]
        before = _encode(fields).removesuffix("}")
        after = f", {_encode(more).removeprefix('{')}" if more else "}"
        return "\n".join(f'{before}, "msg": {_encode(line)}{after}' for line in lines)
