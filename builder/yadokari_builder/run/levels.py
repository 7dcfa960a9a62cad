"""How far steps are kept apart from the executor: in namespaces of their own, or not at all.

At the level "shared" steps live in the executor's container, in any pod: what they do to it is undone. At the
level "namespaces" each step is a container in the executor's. Which one is found out when a build begins.
"""

import errno
import logging
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from yadokari_builder.errors import RunError, UsageError
from yadokari_builder.rootfs.boundary import Boundary
from yadokari_builder.rootfs.tree import discard
from yadokari_builder.run import ipc, process
from yadokari_builder.run.command import Command, Process
from yadokari_builder.run.devices import Devices
from yadokari_builder.run.kubelet_files import KUBELET_FILES, preserved
from yadokari_builder.run.process import GRACE, Start
from yadokari_builder.run.spaces import ground
from yadokari_builder.run.spaces.start import SpacesError, start
from yadokari_builder.run.spaces.trial import has_own_proc
from yadokari_builder.run.spaces.view import Held, Memory, View, Written
from yadokari_builder.run.volumes import Volumes

logger = logging.getLogger(__name__)

PAGE = "docs/isolation.md"
_NO_NODES = "; in namespaces of its own a step cannot make device nodes: build with --isolation=shared"
_NODE_MAKERS = re.compile(r"\b(mknod|MAKEDEV|debootstrap)\b")
_HINTS = {
    errno.EPERM: "the pod needs a seccomp profile that allows unshare, mount, umount2 and pivot_root, and the"
    " default capabilities",
    errno.EACCES: "the pod needs an AppArmor profile that allows mount, umount and pivot_root",
    errno.ENOSPC: "the node needs a larger user.max_user_namespaces",
    errno.EINVAL: "the node's kernel needs user namespaces and seccomp filters",
}


class Level(Protocol):
    """How steps are run."""

    @property
    def grace(self) -> float:
        """Seconds that a cancelled step has to end by itself."""

    def require_free(self, working_dir: str) -> None:
        """Refuse a step whose working directory is not the image's; raises `RunError`."""

    def around(self) -> AbstractContextManager[Sequence[Held]]:
        """Have what is beside the image's files as new, for one step; gives what of it is to be mounted."""

    def watched(self, text: str, working_dir: str) -> AbstractContextManager[None]:
        """Have a step run that wants what `text` says; explains why it fails. Raises `RunError`."""

    def starting(self, command: Command, mounts: Sequence[Held | Memory | Written]) -> Start:
        """Return what starts a step's process; its mounts' content is in place."""


@dataclass(frozen=True, slots=True)
class Shared:
    """Steps are beside the executor. `strangers` tells directories that the image itself has not."""

    boundary: Boundary
    devices: Devices
    volumes: Volumes
    strangers: Callable[[], Collection[str]]
    grace: float = GRACE

    def require_free(self, working_dir: str) -> None:
        """Refuse a volume, and what is the executor's."""
        self.volumes.require_free(working_dir)

    @contextmanager
    def around(self) -> Iterator[Sequence[Held]]:
        """Have in the end as it was what a step can reach of the pod."""
        own = [self.boundary.host(path) for path in KUBELET_FILES if self.boundary.is_excluded(path)]
        with ExitStack() as stack:
            stack.enter_context(preserved(own))
            stack.enter_context(self.devices.fresh())
            stack.enter_context(ipc.unshared())
            yield ()

    def watched(self, text: str, working_dir: str) -> AbstractContextManager[None]:
        """Look after the pod's volumes."""
        return self.volumes.watched(text, self.strangers, working_dir)

    def starting(self, command: Command, mounts: Sequence[Held | Memory | Written]) -> Start:
        """Start it in the root as it stands."""
        for mount in mounts:
            if isinstance(mount, Memory) and mount.size:
                logger.warning(
                    "RUN --mount=type=tmpfs,target=%s: the size is not enforced at level shared",
                    mount.path,
                )
        return process.beside(command, self.boundary.root)


@dataclass(frozen=True, slots=True)
class Namespaces:
    """Each step is in namespaces of its own, with nothing to be seen but `root` and what is mounted there."""

    root: Path
    grace: float = 0.0
    """As with BuildKit: a shell as first process does not end by SIGTERM."""

    def require_free(self, working_dir: str) -> None:
        """Let every directory be: the pod's volumes are elsewhere."""

    @contextmanager
    def around(self) -> Iterator[Sequence[Held]]:
        """Have nothing to put back: what a step does there ends with its namespaces, or is made anew."""
        paths = ground.renew(self.root)
        with ground.emptied(self.root, paths):
            yield [Held(path) for path in paths]

    @contextmanager
    def watched(self, text: str, working_dir: str) -> Iterator[None]:  # noqa: ARG002
        """Name the other level where it lets a step do what it failed to."""
        try:
            yield
        except RunError as error:
            if _NODE_MAKERS.search(f"{text}\n{error.log_tail}"):
                error.message += _NO_NODES
            raise

    def starting(self, command: Command, mounts: Sequence[Held | Memory | Written]) -> Start:
        """Start it as the first process of a container that has this root."""

        def starts(stdin: int, sink: int) -> Process:
            try:
                return start(command, View(self.root, mounts), stdin, sink)
            except SpacesError as error:
                raise RunError(f"the step's namespaces cannot be made: {error}", status=126) from error

        return starts


def may_be_apart(wanted: str, folder: Path) -> bool:
    """Find out whether steps can have namespaces of their own, and tell; `folder` is an empty one to try in.

    `wanted` is "auto", "namespaces" or "shared". Raises `UsageError` where namespaces are wanted and refused.
    """
    if wanted == "shared":
        logger.info("isolation: shared, as asked for: steps run in the executor's own container")
        return False
    try:
        own_proc = has_own_proc(folder)
    except SpacesError as error:
        hint = _HINTS.get(error.number, "see what a pod needs")
        if wanted == "namespaces":
            raise UsageError(f"--isolation=namespaces cannot be had: {error}: {hint} ({PAGE})") from error
        logger.info(
            "isolation: shared: steps run in the executor's own container, since others are refused: %s",
            error,
        )
        return False
    finally:
        discard(str(folder))
    seen = "" if own_proc else "; it sees the pod's /proc, since a new one needs procMount: Unmasked"
    logger.info("isolation: namespaces: each step is a container of its own%s", seen)
    return True
