"""Files that the kubelet mounts into the pod: a step may write them, and they stay as they were."""

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager

KUBELET_FILES = ("/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/dev/termination-log")

_MAX_BYTES = 1 << 20
"""More than any of them holds: Kubernetes keeps objects smaller."""


@contextmanager
def preserved(paths: Iterable[str]) -> Iterator[None]:
    """Put the content, mode and owner of files back when the context ends.

    `paths` are host paths of files that are mount points, so that nothing can take their place; a path
    where no regular file stands is left out.
    """
    with ExitStack() as stack:
        for path in paths:
            if os.path.isfile(path) and not os.path.islink(path):
                stack.enter_context(_preserved(path))
        yield


@contextmanager
def _preserved(path: str) -> Iterator[None]:
    content, before = _read(path, _MAX_BYTES)
    try:
        yield
    finally:
        # A step may have made it any size.
        now, after = _read(path, len(content) + 1)
        if now != content:
            _write(path, content)
        if stat.S_IMODE(before.st_mode) != stat.S_IMODE(after.st_mode):
            os.chmod(path, stat.S_IMODE(before.st_mode))
        if (before.st_uid, before.st_gid) != (after.st_uid, after.st_gid):
            os.chown(path, before.st_uid, before.st_gid)


def _read(path: str, size: int) -> tuple[bytes, os.stat_result]:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        return file.read(size), os.fstat(descriptor)


def _write(path: str, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC)
    with open(descriptor, "wb") as file:
        file.write(content)
