"""Find what tells progress in a log, whatever else is printed and however much of it.

Most of a log is output of steps, at times hundreds of megabytes: it is searched in the pieces that it comes
in, never split into lines, and no more than the length of one progress line is kept of it.
"""

from yadokari_contract.progress import MARKERS, MAX_LINE, Progress, parse_line

_MOST_TRIES = 16
"""How many lines of a piece that look like progress and are not are read: a step may print nothing else."""


class LogReader:
    """Takes a log piece by piece; `latest` is the latest progress that it told."""

    def __init__(self) -> None:
        self.latest: Progress | None = None
        # The line that has not ended, and the end of the one before; only its end if it is too long to count.
        self._rest = b"\n"

    def feed(self, data: bytes) -> bool:
        """Take the next piece; tells whether it told something new."""
        seen = self._rest + data
        end = seen.rfind(b"\n")
        self._rest = seen[max(end, len(seen) - MAX_LINE - 1, 0) :]
        # Most pieces have no mark in them: the API server makes one of each line.
        found = _last_progress(seen, end) if any(marker in seen for marker in MARKERS) else None
        if found is None or found == self.latest:
            return False
        self.latest = found
        return True


def _last_progress(seen: bytes, end: int) -> Progress | None:
    """Find the last progress in what lies between the first line end and the last one, at `end`."""
    places = {marker: seen.rfind(marker, 0, max(end, 0)) for marker in MARKERS}
    for _ in range(_MOST_TRIES):
        place = max(places.values())
        begin = seen.rfind(b"\n", 0, max(place, 0))
        if begin < 0:
            return None
        line = seen[begin + 1 : seen.find(b"\n", place)]
        if len(line) <= MAX_LINE and (found := parse_line(line)):
            return found
        places = {
            marker: where if where < begin else seen.rfind(marker, 0, begin)
            for marker, where in places.items()
        }
    return None
