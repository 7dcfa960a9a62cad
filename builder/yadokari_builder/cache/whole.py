"""Files that are there as a whole or not at all, whoever else writes the same at the same time."""

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

from yadokari_builder.rootfs.tree import discard

_PARTIAL = ".partial-"
# Seconds after which nobody goes on writing what is half written.
_STALE = 86400


@contextmanager
def completed(path: str, mode: int = 0o644) -> Iterator[BinaryIO]:
    """Open a file that gets its name when all is written, whoever else writes the same."""
    folder = os.path.dirname(path)
    os.makedirs(folder, exist_ok=True)
    descriptor, partial = tempfile.mkstemp(dir=folder, prefix=_PARTIAL)
    try:
        with open(descriptor, "wb") as file:
            yield file
            os.fchmod(descriptor, mode)
        if os.path.isdir(path):  # nobody honest has made it
            discard(path)
        os.replace(partial, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(partial)
        raise


def sweep(folder: str) -> None:
    """Delete what `completed` was killed over, long ago."""
    oldest = time.time() - _STALE
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(_PARTIAL) and entry.stat(follow_symlinks=False).st_mtime < oldest:
                with suppress(OSError):
                    os.unlink(entry.path)
