"""Files of the executor's making that are mounted for a step: in the root, or in memory."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum
from tempfile import mkstemp

from yadokari_builder.rootfs.boundary import Boundary
from yadokari_builder.rootfs.mounts import is_in_memory

_SHARED_MEMORY = "/dev/shm"


class Medium(Enum):
    """Where the files of secrets lie while a step has them."""

    APART = "in memory of the step's own namespaces, which is never swapped"
    POD = "in the pod's shared memory, to which a link leads"
    ROOT = "in the root, on whatever that is"


def medium_of(boundary: Boundary, *, apart: bool) -> Medium:
    """Tell where secrets can lie for steps in this root, which may have namespaces of their own (`apart`)."""
    if apart:
        return Medium.APART
    in_pod = str(boundary.root) == "/" and _SHARED_MEMORY in boundary.excluded
    return Medium.POD if in_pod and is_in_memory(_SHARED_MEMORY) else Medium.ROOT


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
    """A file with the value of a secret, on no disk if that can be had."""

    target: str
    data: bytes = field(repr=False)
    medium: Medium
    uid: int = 0
    gid: int = 0
    mode: int = 0o400

    @contextmanager
    def content(self, place: str, existing: os.stat_result | None) -> Iterator[None]:
        """Make the file, or what stands for it: one to mount on, or a link."""
        data = b"" if self.medium is Medium.APART else self.data
        if self.medium is not Medium.POD:
            with FileMount(self.target, data, self.uid, self.gid, self.mode).content(place, existing):
                yield
            return
        # A name that nobody has, so that the file is new.
        descriptor, path = mkstemp(dir=_SHARED_MEMORY, prefix="secret-")
        os.close(descriptor)
        os.unlink(path)
        try:
            with FileMount(self.target, data, self.uid, self.gid, self.mode).content(path, existing):
                os.symlink(path, place)
                yield
        finally:
            # A step may delete what is there.
            with suppress(FileNotFoundError):
                os.unlink(path)
