"""Find what tells progress in a log, whatever else is printed and however much of it.

Most of a log is output of steps, at times hundreds of megabytes: it is searched in the pieces that it comes
in, never split into lines, and no more than the length of one progress line is kept of it.
"""

from dataclasses import dataclass
from datetime import datetime

from yadokari_contract.progress import MARKERS, MAX_LINE, Progress, parse_line

_MAX_LINE = MAX_LINE + 64
"""With the time before it."""

_MOST_TRIES = 16
"""How many lines of a piece that look like progress and are not are read: a step may print nothing else."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a line of a log told, and when it was printed, by the clock of the node."""

    progress: Progress
    at: datetime


class LogReader:
    """Takes a log with times, piece by piece; `latest` is the progress that it told last.

    A log may be read again, from wherever: what was printed before the latest tells nothing.
    """

    def __init__(self) -> None:
        self._latest: Told | None = None
        self._rest = b"\n"

    @property
    def latest(self) -> Progress | None:
        """How far it has come."""
        return self._latest.progress if self._latest else None

    def begin(self) -> None:
        """Take what comes next for the beginning of a line."""
        self._rest = b"\n"

    def feed(self, data: bytes) -> bool:
        """Take the next piece; tells whether it told something new."""
        seen = self._rest + data
        end = seen.rfind(b"\n")
        # The line that has not ended, and the end of the one before; only its end if it is too long to count.
        self._rest = seen[max(end, len(seen) - _MAX_LINE - 1, 0) :]
        # Most pieces have no mark in them: the API server makes one of each line.
        found = _last_told(seen, end) if any(marker in seen for marker in MARKERS) else None
        before = self._latest
        if found is None or (before and found.at < before.at):
            return False
        self._latest = found
        return before is None or found.progress != before.progress


def _last_told(seen: bytes, end: int) -> Told | None:
    """Find the last progress in what lies between the first line end and the last one, at `end`."""
    places = {marker: seen.rfind(marker, 0, max(end, 0)) for marker in MARKERS}
    for _ in range(_MOST_TRIES):
        place = max(places.values())
        begin = seen.rfind(b"\n", 0, max(place, 0))
        if begin < 0:
            return None
        line = seen[begin + 1 : seen.find(b"\n", place)]
        if len(line) <= _MAX_LINE and (found := _read(line)):
            return found
        places = {
            marker: where if where < begin else seen.rfind(marker, 0, begin)
            for marker, where in places.items()
        }
    return None


def _read(line: bytes) -> Told | None:
    """Read a line with the time that the kubelet put before it."""
    time, _, rest = line.partition(b" ")
    progress = parse_line(rest)
    if progress is None:
        return None
    try:
        at = datetime.fromisoformat(time.decode("ascii"))
    except ValueError:
        return None
    return Told(progress, at) if at.tzinfo else None
