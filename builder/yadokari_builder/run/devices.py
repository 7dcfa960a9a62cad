"""/dev, as new for each step: its files, the shared memory and the message queues in it.

What a runtime mounts at /dev is one file system for the whole life of a container. BuildKit gives each step
another one, so nothing that a step does there may reach the next one, or the executor.
"""

import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from yadokari_builder.errors import RunError
from yadokari_builder.rootfs.boundary import Boundary
from yadokari_builder.rootfs.tree import discard

DEVICES = "/dev"
SHARED = frozenset({"/dev/shm", "/dev/mqueue"})
"""File systems of their own in which steps leave files; whatever else is mounted below /dev is left alone."""


@dataclass(frozen=True, slots=True)
class _Node:
    """A file as it was found; `target` is what a link says."""

    status: os.stat_result
    target: str = ""

    @property
    def kind(self) -> tuple[int, int, str]:
        """All but its mode, owner, content and times."""
        return stat.S_IFMT(self.status.st_mode), self.status.st_rdev, self.target


@dataclass(frozen=True, slots=True)
class Devices:
    """The files in /dev as they were before the first step.

    Where /dev is not mounted it is the image's own and left as it is.
    """

    boundary: Boundary
    _nodes: Mapping[str, _Node]

    @classmethod
    def record(cls, boundary: Boundary) -> "Devices":
        """Look at what is there; call before the first step."""
        return cls(boundary, _look(boundary))

    @contextmanager
    def fresh(self) -> Iterator[None]:
        """Have /dev in the end as it was; raises `RunError` for what the pod may not make anew."""
        try:
            yield
        finally:
            self._restore()

    def _restore(self) -> None:
        for path, node in _look(self.boundary, self._nodes).items():
            if path not in self._nodes or self._nodes[path].kind != node.kind:
                discard(self.boundary.host(path))
        for path, node in self._nodes.items():
            # Of an ordinary file, as a volume at /dev/shm may hold, nobody knows what was in it.
            if not stat.S_ISREG(node.status.st_mode):
                self._put_back(path, node)

    def _put_back(self, path: str, node: _Node) -> None:
        host = self.boundary.host(path)
        try:
            if not os.path.lexists(host):
                _make(host, node)
            now = os.lstat(host)
            if (now.st_uid, now.st_gid) != (node.status.st_uid, node.status.st_gid):
                os.chown(host, node.status.st_uid, node.status.st_gid, follow_symlinks=False)
            if now.st_mode != node.status.st_mode:  # never of a link: all have the same
                os.chmod(host, stat.S_IMODE(node.status.st_mode))
        except OSError as error:
            raise RunError(
                f"{path} was changed by the step and cannot be made anew for the next one: {error.strerror}."
                " Leave it as it is, or give the executor's container the capability MKNOD",
                status=1,
            ) from error


def _look(boundary: Boundary, known: Mapping[str, _Node] | None = None) -> dict[str, _Node]:
    """Return /dev and the files in it, those above others first, but for what else is mounted there.

    With `known`, a folder that is not in it is not looked into.
    """
    if DEVICES not in boundary.excluded:
        return {}
    nodes = {}
    ahead = [DEVICES]
    for path in ahead:
        host = boundary.host(path)
        status = os.lstat(host)
        nodes[path] = _Node(status, os.readlink(host) if stat.S_ISLNK(status.st_mode) else "")
        if stat.S_ISDIR(status.st_mode) and (known is None or path in known):
            below = (f"{path}/{name}" for name in sorted(os.listdir(host)))
            ahead += [each for each in below if each not in boundary.excluded or each in SHARED]
    return nodes


def _make(host: str, node: _Node) -> None:
    mode = node.status.st_mode
    if stat.S_ISDIR(mode):
        os.mkdir(host)
    elif stat.S_ISLNK(mode):
        os.symlink(node.target, host)
    elif stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
        os.mknod(host, mode, node.status.st_rdev)
