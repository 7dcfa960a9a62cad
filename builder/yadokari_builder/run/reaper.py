"""The processes that a step leaves behind: found, ended and reaped.

The executor is the parent of every orphan, as PID 1 of its container or as a subreaper (prctl(2),
PR_SET_CHILD_SUBREAPER), so a step's processes are among its descendants whatever sessions and groups they
move to.
"""

import os
import signal
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress

from yadokari_builder.run import kernel

_PAUSE = 0.005


def adopt_orphans() -> None:
    """Become the parent of orphaned descendants; call once, before the first step."""
    if os.getpid() != 1:
        kernel.set_child_subreaper()


def children() -> frozenset[int]:
    """Return the ids of this process's children."""
    return frozenset(_by_parent().get(os.getpid(), ()))


def reap_orphans(kept: Iterable[int]) -> None:
    """Reap the children that have ended, without waiting; those in `kept` are someone else's to wait for."""
    for pid in _ended_children():
        if pid in kept:
            return
        os.waitpid(pid, 0)


def end_all(kept: frozenset[int], *, grace: float = 0.0) -> None:
    """End every descendant but the processes in `kept` and theirs, and reap them.

    They get SIGTERM first and `grace` seconds to obey where that is not 0, then SIGKILL.
    """
    try:
        if grace and _descendants(kept):
            _signal_all(kept, signal.SIGTERM)
            reap(kept, grace)
    finally:
        while _descendants(kept):
            _signal_all(kept, signal.SIGKILL)
            reap(kept, _PAUSE)


def reap(kept: frozenset[int], seconds: float) -> None:
    """Reap descendants as they end, until none is left but those in `kept` or `seconds` have passed."""
    deadline = time.monotonic() + seconds
    while left := _descendants(kept):
        # What has ended is reaped first: on a busy machine the search alone may take longer than `seconds`.
        for pid in left:
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        if time.monotonic() >= deadline:
            return
        time.sleep(_PAUSE / 5)


def _signal_all(kept: frozenset[int], number: signal.Signals) -> None:
    if os.getpid() == 1:
        # One call reaches every process of the container at once, so that none can fork its way out.
        _signal(-1, number)
        return
    for pid in _descendants(kept):
        _signal(pid, number)


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def _descendants(kept: frozenset[int]) -> list[int]:
    by_parent = _by_parent()
    found: list[int] = []
    pending = [os.getpid()]
    while pending:
        below = [pid for pid in by_parent.get(pending.pop(), ()) if pid not in kept]
        found += below
        pending += below
    return found


def _by_parent() -> dict[int, list[int]]:
    """Return the ids of all processes by their parent's, nothing if this one has no child."""
    if not _has_children():
        return {}
    by_parent: dict[int, list[int]] = defaultdict(list)
    for name in os.listdir("/proc"):
        if name.isdigit() and (parent := _parent(name)):
            by_parent[parent].append(int(name))
    return by_parent


def _has_children() -> bool:
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _parent(pid: str) -> int:
    try:
        with open(f"/proc/{pid}/stat", "rb") as stat:
            # proc(5): pid (command) state ppid; the command may itself hold blanks and brackets.
            return int(stat.read().rpartition(b")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0


def _ended_children() -> Iterator[int]:
    while True:
        try:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return
        if ended is None:
            return
        yield ended.si_pid
