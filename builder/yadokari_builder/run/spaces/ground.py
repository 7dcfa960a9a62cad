"""What stands in a root for the sake of mounts: directories and files that are no part of any image.

In a pod they are the pod's own mounts; a root in a folder has them as the places that each step mounts on.
"""

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from yadokari_builder.rootfs.boundary import Boundary
from yadokari_builder.rootfs.paths import resolve
from yadokari_builder.rootfs.tree import clear
from yadokari_builder.run.devices import DEVICES

PODS_FILES = ("/etc/hosts", "/etc/hostname", "/etc/resolv.conf")
"""Files that a step sees as the pod has them."""

FOLDERS = ("/proc", "/sys", DEVICES)
MOUNT_POINTS = frozenset({*FOLDERS, *PODS_FILES})

NODES = ("null", "zero", "full", "random", "urandom", "tty")
_LINKS = (
    ("ptmx", "pts/ptmx"),
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
)
_MOST_BYTES = 1 << 20
"""More than any of the pod's files holds: Kubernetes keeps objects smaller."""


def lay(root: Path) -> None:
    """Make what is missing of the mount points, in a root that no step has been in yet."""
    os.chmod(root, 0o755)
    for path in (*FOLDERS, "/etc"):
        os.makedirs(f"{root}{path}", mode=0o755, exist_ok=True)
    for path in PODS_FILES:
        os.close(os.open(f"{root}{path}", os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644))


def renew(root: Path) -> tuple[str, ...]:
    """Have /dev and the pod's files in a root as new; returns the in-root paths of those files.

    A file whose place a step has taken away is left out, as it would be were it mounted all the time.
    """
    _renew_devices(f"{root}{DEVICES}")
    found = ((path, resolve(root, path)) for path in PODS_FILES)
    return tuple(there for path, there in found if _renew_file(path, f"{root}{there}"))


@contextmanager
def emptied(root: Path, paths: Iterable[str]) -> Iterator[None]:
    """Empty files of a root in the end, wherever a step has moved them: what the pod's say is in no layer."""
    held = [os.open(f"{root}{path}", os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC) for path in paths]
    try:
        yield
    finally:
        for descriptor in held:
            os.truncate(f"/proc/self/fd/{descriptor}", 0)
            os.close(descriptor)


def _renew_devices(folder: str) -> None:
    clear(Boundary(Path(folder)))
    os.chmod(folder, 0o755)
    os.chown(folder, 0, 0)
    for name in NODES:
        os.close(os.open(f"{folder}/{name}", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC))
    for name in ("pts", "shm", "mqueue"):
        os.mkdir(f"{folder}/{name}")
    for name, target in _LINKS:
        os.symlink(target, f"{folder}/{name}")


def _renew_file(pods: str, place: str) -> bool:
    """Give a file the content, mode and owner that the pod's has; tells whether that can be."""
    try:
        if not stat.S_ISREG(os.lstat(place).st_mode):
            return False
        with open(pods, "rb") as file:
            content = file.read(_MOST_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        return False
    with open(os.open(place, os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC), "wb") as file:
        file.write(content)
        os.fchmod(file.fileno(), 0o644)
        os.fchown(file.fileno(), 0, 0)
    return True
