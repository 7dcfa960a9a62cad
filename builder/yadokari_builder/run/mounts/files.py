"""Files of the executor's making that are mounted for a step: in the root, or in memory."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class FileMount:
    """A file of the executor's making, such as the script of a heredoc."""

    target: str
    data: bytes
    uid: int = 0
    gid: int = 0
    mode: int = 0o400

    @contextmanager
    def content(self, place: str, existing: os.stat_result | None) -> Iterator[None]:  # noqa: ARG002
        """Write the file, which no other user can read at any time before its mode allows it.

        In the end it is empty, wherever a step has moved or linked it: into a cache, for instance.
        """
        descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as file:
            file.write(self.data)
            os.fchown(descriptor, self.uid, self.gid)
            os.fchmod(descriptor, self.mode)
            # Not open for writing: it may be a program.
            held = os.open(place, os.O_PATH | os.O_CLOEXEC)
        try:
            yield
        finally:
            os.truncate(f"/proc/self/fd/{held}", 0)
            os.close(held)

    def __repr__(self) -> str:
        return f"FileMount(target={self.target!r})"


@dataclass(frozen=True, slots=True)
class SecretMount:
    """A file with the value of a secret; `apart` is whether the step's own namespaces have it, in memory."""

    target: str
    data: bytes = field(repr=False)
    uid: int = 0
    gid: int = 0
    mode: int = 0o400
    apart: bool = False

    def content(self, place: str, existing: os.stat_result | None) -> AbstractContextManager[None]:
        """Make the file, or an empty one for it to be mounted on."""
        data = b"" if self.apart else self.data
        return FileMount(self.target, data, self.uid, self.gid, self.mode).content(place, existing)
