"""Files that the kubelet mounts into the pod: a step may write them, and they stay as they were."""

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager

from yadokari_builder.errors import RunError

KUBELET_FILES = ("/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/dev/termination-log")

_MAX_BYTES = 1 << 20
"""More than any of them holds: Kubernetes keeps objects smaller."""


@contextmanager
def preserved(paths: Iterable[str]) -> Iterator[None]:
    """Put the content, mode and owner of files back when the context ends.

    `paths` are host paths of files that are mount points, so that nothing can take their place; a path
    where no regular file stands is left out. Raises `RunError` where one has gone with a folder that was
    moved.
    """
    with ExitStack() as stack:
        for path in paths:
            if os.path.isfile(path) and not os.path.islink(path):
                stack.enter_context(_preserved(path))
        yield


@contextmanager
def _preserved(path: str) -> Iterator[None]:
    held = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        content, before = _read(held, _MAX_BYTES)
        try:
            yield
        finally:
            _restore(held, content, before)
        if not os.path.lexists(path) or not os.path.samestat(os.lstat(path), before):
            raise RunError(
                f"the step moved {path} away, which the pod has mounted there: let it leave"
                f" {os.path.dirname(path)} where it is",
                status=1,
            )
    finally:
        os.close(held)


def _restore(held: int, content: bytes, before: os.stat_result) -> None:
    # A step may have made it any size.
    now, after = _read(held, len(content) + 1)
    place = _place(held)
    if now != content:
        with open(os.open(place, os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC), "wb") as file:
            file.write(content)
    if stat.S_IMODE(before.st_mode) != stat.S_IMODE(after.st_mode):
        os.chmod(place, stat.S_IMODE(before.st_mode))
    if (before.st_uid, before.st_gid) != (after.st_uid, after.st_gid):
        os.chown(place, before.st_uid, before.st_gid)


def _read(held: int, size: int) -> tuple[bytes, os.stat_result]:
    with open(os.open(_place(held), os.O_RDONLY | os.O_CLOEXEC), "rb") as file:
        return file.read(size), os.fstat(held)


def _place(held: int) -> str:
    """Where a file is found wherever its name has gone."""
    return f"/proc/self/fd/{held}"
