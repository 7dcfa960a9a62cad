"""Trees that steps may not change and, in one container with them, could: a stage, an image, the context."""

import os
import stat
import time
from dataclasses import dataclass

from yadokari_builder.errors import ContextError

_TICK_SECONDS = 0.001
_CLOCK_REALTIME_COARSE = 5
"""What file systems stamp with at the least (clock_gettime(2)); the `time` module does not name it."""


@dataclass(frozen=True, slots=True)
class Seal:
    """Tells whether files are as they were at `moment`, in nanoseconds; `what` says in words whose they are.

    Nobody without the right to set the clock can set a ctime back, so a file with an earlier one has neither
    been written since nor renamed, linked or given away, and a folder holds what it held.
    """

    what: str
    moment: int

    def require(self, path: str, status: os.stat_result) -> None:
        """Make sure that a file is as it was; raises `ContextError`."""
        if status.st_ctime_ns > self.moment:
            raise ContextError(
                f"{path} of {self.what} is not what it was: a step has changed it, or somebody beside the"
                " build. A step may change files of its own stage alone"
            )

    def require_below(self, folder: str) -> None:
        """Make sure that everything in a folder of the host is as it was; raises `ContextError`."""
        ahead = [folder]
        for each in ahead:
            with os.scandir(each) as entries:
                for entry in entries:
                    status = entry.stat(follow_symlinks=False)
                    self.require(entry.path.removeprefix(folder), status)
                    if stat.S_ISDIR(status.st_mode):
                        ahead.append(entry.path)


def settled_now() -> int:
    """Return a moment that what has changed is not past, and what will change is: in a few milliseconds."""
    # A stamp may be as fine as the one clock or as coarse as the other.
    moment = time.time_ns()
    while time.clock_gettime_ns(_CLOCK_REALTIME_COARSE) <= moment:
        time.sleep(_TICK_SECONDS)
    return moment
