"""Trees that steps may not change and, in one container with them, could: a stage, an image, the context."""

import os
import stat
import time
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path

from yadokari_builder.errors import ContextError
from yadokari_builder.rootfs.mounts import has_own_clock

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


class Seals:
    """The seals of a build, by what they are of."""

    def __init__(self) -> None:
        self._seals: dict[Hashable, Seal] = {}

    def close(self, named: Mapping[Hashable, str]) -> None:
        """Seal what has none yet, as it stands; its name says in words what it is."""
        fresh = named.keys() - self._seals.keys()
        if fresh:
            moment = settled_now()
            self._seals |= {key: Seal(named[key], moment) for key in fresh}

    def find(self, key: Hashable) -> Seal | None:
        """Return a seal, if there is one."""
        return self._seals.get(key)

    def take(self, key: Hashable) -> Seal | None:
        """Return a seal, if there is one, for the last time."""
        return self._seals.pop(key, None)


def is_open(folder: Path) -> bool:
    """Tell whether steps beside a folder can write it, and a change would tell by this machine's clock."""
    is_readonly = os.statvfs(folder).f_flag & os.ST_RDONLY
    return not is_readonly and has_own_clock(folder)


def settled_now() -> int:
    """Return a moment that what has changed is not past, and what will change is: in a few milliseconds."""
    # A stamp may be as fine as the one clock or as coarse as the other.
    moment = time.time_ns()
    while time.clock_gettime_ns(_CLOCK_REALTIME_COARSE) <= moment:
        time.sleep(_TICK_SECONDS)
    return moment
