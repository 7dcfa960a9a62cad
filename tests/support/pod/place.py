"""The folder of a pod that runs, and the removal of what pods left behind that were killed."""

import fcntl
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.folders import remove_tree, scratch_folder
from support.pod import cgroups

RUNTIME = "runc"


@contextmanager
def place(*, keep: bool) -> Iterator[tuple[Path, int]]:
    """Make a pod's folder; yields it and the descriptor of its lock, which all that lives in it must hold.

    With `keep`, the folder is not removed in the end.
    """
    pods = scratch_folder() / "pods"
    pods.mkdir(exist_ok=True)
    _sweep(pods)
    folder = pods / f"yadokari-pod-{os.getpid()}-{time.time_ns():x}"
    folder.mkdir()
    lock = os.open(folder / "lock", os.O_CREAT | os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        yield folder, lock
    finally:
        if keep:
            folder.rename(folder.with_name(f"kept-{folder.name}"))
        else:
            _remove(folder)
        os.close(lock)


def runtime() -> list[str]:
    """Return the beginning of every command line of runc."""
    return [RUNTIME, "--root", str(scratch_folder() / "runc")]


def _sweep(pods: Path) -> None:
    """Remove the folders of pods whose lock nobody holds any longer."""
    for folder in pods.glob("yadokari-pod-*"):
        try:
            lock = os.open(folder / "lock", os.O_RDWR)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            subprocess.run([*runtime(), "delete", "--force", folder.name], capture_output=True, check=False)
            _remove(folder)
        except BlockingIOError:
            pass
        finally:
            os.close(lock)


def _remove(folder: Path) -> None:
    cgroups.remove(folder.name)
    remove_tree(folder)
