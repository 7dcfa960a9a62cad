"""The processes that a step leaves behind: found, ended and reaped.

The executor is the parent of every orphan, as PID 1 of its container or as a subreaper (prctl(2),
PR_SET_CHILD_SUBREAPER), so a step's processes are among its descendants whatever sessions and groups they
move to.
"""

import os
import signal
import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from typing import NamedTuple

from yadokari_builder.run import kernel

_PAUSE = 0.005
_SPARING = 0.2


class Running(NamedTuple):
    """A process by its id and by when it `began`: once it has ended, another one may get its id."""

    pid: int
    began: int


def adopt_orphans() -> None:
    """Become the parent of orphaned descendants; call once, before the first step."""
    if os.getpid() != 1:
        kernel.set_child_subreaper()


def children() -> frozenset[Running]:
    """Return this process's children."""
    return frozenset(_by_parent().get(os.getpid(), ()))


def reap_orphans(kept: Collection[int]) -> None:
    """Reap the children that have ended, without waiting; those in `kept` are someone else's to wait for."""
    for pid in _ended_children():
        if pid in kept:
            # It is all that the kernel tells of until somebody waits for it.
            _reap(each for each in children() if each.pid not in kept)
            return
        os.waitpid(pid, 0)


def end_all(kept: frozenset[Running], *, grace: float = 0.0) -> None:
    """End every descendant but the processes in `kept` and theirs, and reap them.

    They get SIGTERM first and `grace` seconds to obey where that is not 0, then SIGKILL. What goes on forking
    meanwhile may cost those in `kept` their lives, too.
    """
    try:
        if grace and _descendants(kept):
            _signal_all(kept, signal.SIGTERM)
            reap(kept, grace)
    finally:
        if kept and (left := _descendants(kept)):
            _signal_each(left, signal.SIGKILL)
            reap(kept, _SPARING)
        while _descendants(kept):
            _signal_all(kept, signal.SIGKILL)
            reap(kept, _PAUSE)


def reap(kept: frozenset[Running], seconds: float) -> None:
    """Reap descendants as they end, until none is left but those in `kept` or `seconds` have passed."""
    deadline = time.monotonic() + seconds
    while left := _descendants(kept):
        # What has ended is reaped first: on a busy machine the search alone may take longer than `seconds`.
        _reap(left)
        if time.monotonic() >= deadline:
            return
        time.sleep(_PAUSE / 5)


def _reap(running: Iterable[Running]) -> None:
    """Reap those that have ended, and are children."""
    for pid, _ in running:
        with suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)


def _signal_all(kept: frozenset[Running], number: signal.Signals) -> None:
    if os.getpid() == 1:
        # One call reaches every process of the container at once, so that none can fork its way out.
        _signal(-1, number)
        return
    _signal_each(_descendants(kept), number)


def _signal_each(running: Iterable[Running], number: signal.Signals) -> None:
    for pid, _ in running:
        _signal(pid, number)


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def _descendants(kept: frozenset[Running]) -> list[Running]:
    by_parent = _by_parent()
    found: list[Running] = []
    pending = [os.getpid()]
    while pending:
        below = [each for each in by_parent.get(pending.pop(), ()) if each not in kept]
        found += below
        pending += [each.pid for each in below]
    return found


def _by_parent() -> dict[int, list[Running]]:
    """Return all processes by their parent's id, nothing if this one has no child."""
    if not _has_children():
        return {}
    by_parent: dict[int, list[Running]] = defaultdict(list)
    for name in os.listdir("/proc"):
        if name.isdigit() and (found := _look(name)):
            parent, running = found
            by_parent[parent].append(running)
    return by_parent


def _has_children() -> bool:
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _look(name: str) -> tuple[int, Running] | None:
    """Return a process, and its parent's id before it; None if it is gone."""
    try:
        with open(f"/proc/{name}/stat", "rb") as stat:
            # proc(5): pid (command) state ppid ...; the command may itself hold blanks and brackets.
            fields = stat.read().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(fields[1]), Running(int(name), int(fields[19]))


def _ended_children() -> Iterator[int]:
    while True:
        try:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return
        if ended is None:
            return
        yield ended.si_pid
