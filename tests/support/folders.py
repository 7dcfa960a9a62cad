"""Where tests keep what is slow to make, and where they put what is thrown away."""

import fcntl
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def cache_folder() -> Path:
    """Return the folder for what is kept between runs: `yadokari` in the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(base) / "yadokari"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def scratch_folder() -> Path:
    """Return the folder for what may vanish: on tmpfs where there is one, disks are many times slower."""
    shm = Path("/dev/shm")
    base = shm if os.access(shm, os.W_OK) else Path("/tmp")
    folder = base / f"yadokari-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file at `path`: whoever comes second waits until the first is done."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def remove_tree(path: Path) -> None:
    """Remove a tree, if there is one, however deep it is."""
    subprocess.run(["rm", "-rf", "--", path], check=True)
