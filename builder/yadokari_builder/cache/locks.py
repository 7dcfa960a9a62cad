"""Files to lock on a volume to which others write: no link is followed there, and no pipe waited for."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from yadokari_builder.errors import ImageInvalidError

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@contextmanager
def lock_file(path: str) -> Iterator[int]:
    """Open a file for flock(2), made if it is not there; gives its descriptor, with which the lock goes.

    Raises OSError, and `ImageInvalidError` where something else is in its place.
    """
    descriptor = os.open(path, _FLAGS, 0o600)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ImageInvalidError(f"the lock {os.path.basename(path)} is no file")
        yield descriptor
    finally:
        os.close(descriptor)
