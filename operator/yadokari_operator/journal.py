"""The operator's own log: one line for each change of an ImageBuild, as text or JSON.

Messages hold what pods, registries and the API server say. None of it makes another line or moves a cursor.
"""

import logging

from yadokari_api.keys import Key
from yadokari_api.status import Status
from yadokari_contract.log import LEVELS, JsonFormatter, time_of

logger = logging.getLogger(__name__)


def formatter(log_format: str) -> logging.Formatter:
    """Write records as `json`, or as `text`."""
    if log_format == "json":
        return JsonFormatter(
            "namespace", "run", "attempt", "phase", "reason", logger="name", name="imagebuild"
        )
    return LineFormatter()


class LineFormatter(logging.Formatter):
    """Time, level and message in one line, whatever is in it."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one record."""
        text = record.getMessage()
        if record.exc_info:
            text += f"\n{self.formatException(record.exc_info)}"
        return f"{time_of(record)} {LEVELS.get(record.levelno, 'trace')} {in_one_line(text)}"


def in_one_line(text: str) -> str:
    """Write what is no character, or more than one line, as Python escapes it."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def tell(key: Key, before: Status, now: Status) -> None:
    """Log what has become of an ImageBuild; what is the same but for its progress is not worth a line."""
    run = now.run
    if _state(now) == _state(before):
        return
    fields = {
        "namespace": key.namespace,
        "imagebuild": key.name,
        "run": run.number,
        "attempt": run.attempt,
        "phase": now.phase,
        "reason": now.reason,
    }
    logger.info("%s run %d: %s: %s", key, run.number, now.reason, now.message, extra=fields)


def _state(status: Status) -> tuple[object, ...]:
    return (status.phase, status.reason, status.run.number, status.run.attempt, status.failure)
