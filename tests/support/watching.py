"""What a test sees of its process while other threads go on."""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path


def once(condition: Callable[[], bool], act: Callable[[], object]) -> None:
    """Do something in a thread as soon as a condition holds, or after a minute."""
    threading.Thread(target=lambda: (come_true(condition), act()), daemon=True).start()


def files_in(folder: Path) -> int:
    """Count the descriptors of files in a folder, nameless ones too."""
    links = (f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd"))
    return sum(os.readlink(link).startswith(f"{folder}/") for link in links if os.path.lexists(link))


def come_true(condition: Callable[[], bool]) -> bool:
    """Wait for a condition, for a minute at most; tell whether it holds."""
    deadline = time.monotonic() + 60
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.005)
    return condition()
