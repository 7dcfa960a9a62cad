"""Directories that are held open: steps may do to their names what they like."""

import os
from dataclasses import dataclass
from pathlib import Path

# Without the right to read: that is asked for each time that something in it is opened.
_HOLD = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
_NEW_DIRECTORY_MODE = 0o755


@dataclass(frozen=True, slots=True)
class Anchor:
    """A directory by its descriptor, which no step gets; to be closed in the end.

    For others it is a directory as any other, at `path`, which is a link of a kind: the kernel goes from
    there to the directory itself, whatever its name is by now. `enter` and `make` follow no links.
    """

    descriptor: int

    @classmethod
    def open(cls, path: Path) -> "Anchor":
        """Hold the directory at a path, links on the way followed: before the first step. Raises OSError."""
        return cls(os.open(path, _HOLD))

    @property
    def path(self) -> Path:
        """Where the operating system finds it in this process, and in nobody else's."""
        return Path(f"/proc/self/fd/{self.descriptor}")

    @property
    def is_deleted(self) -> bool:
        """Whether it is gone: what was in it is, too, and nothing can be made in it."""
        return not os.fstat(self.descriptor).st_nlink

    def enter(self, name: str) -> "Anchor":
        """Hold the directory of a name in it; raises OSError, for a link too."""
        return Anchor(os.open(name, _HOLD | os.O_NOFOLLOW, dir_fd=self.descriptor))

    def make(self, name: str) -> "Anchor":
        """Make a directory in it, and hold that; raises OSError (EEXIST) where something stands."""
        os.mkdir(name, _NEW_DIRECTORY_MODE, dir_fd=self.descriptor)
        return self.enter(name)

    def close(self) -> None:
        """Let go of it."""
        os.close(self.descriptor)
