"""System V IPC: shared memory, semaphores and message queues outlive the processes that make them."""

import logging
import os
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from yadokari_builder.run import kernel

logger = logging.getLogger(__name__)

# Of each file in /proc/sysvipc, the columns (from 0) of an object's id and of its owner's uid.
_COLUMNS = {"shm": (1, 7), "sem": (1, 4), "msg": (1, 7)}


@dataclass(frozen=True, slots=True)
class _Object:
    kind: str
    id: int
    uid: int


@contextmanager
def unshared() -> Iterator[None]:
    """Remove in the end what is new: it is the step's, but where a container beside made it meanwhile."""
    before = _objects()
    try:
        yield
    finally:
        by_owner: dict[int, list[_Object]] = defaultdict(list)
        for each in _objects() - before:
            by_owner[each.uid].append(each)
        for uid, objects in by_owner.items():
            _remove(uid, objects)


def _objects() -> frozenset[_Object]:
    found: set[_Object] = set()
    for kind, (id_column, uid_column) in _COLUMNS.items():
        try:
            with open(f"/proc/sysvipc/{kind}", encoding="ascii") as file:
                lines = [line.split() for line in list(file)[1:]]
        except FileNotFoundError:  # the kernel is built without
            continue
        found.update(_Object(kind, int(line[id_column]), int(line[uid_column])) for line in lines)
    return frozenset(found)


def _remove(uid: int, objects: list[_Object]) -> None:
    """Remove objects as their owner, in a process of its own: root may not without CAP_SYS_ADMIN."""
    pid = os.fork()
    if pid == 0:
        try:
            os.setresuid(uid, uid, uid)
            for each in objects:
                kernel.remove_ipc(each.kind, each.id)
            os._exit(0)
        finally:
            os._exit(1)
    if os.waitpid(pid, 0)[1]:
        logger.warning("not all System V IPC objects of user %d could be removed after the step", uid)
