"""RUN --mount without privilege: what each type puts in place, and what becomes of it.

A step with namespaces of its own then has them mounted for real (`Mounted.held`). For others, compared with
BuildKit: a bind mount is a copy, so writes to it succeed, and are discarded, whether or not it is
read-only; the size of a tmpfs is not enforced; a step can link files of a cache into the root, which are two
files once it has ended.
"""

import os
import posixpath
import stat
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from tempfile import mkdtemp
from typing import Protocol

from yadokari_builder.rootfs.boundary import Boundary
from yadokari_builder.rootfs.tree import discard
from yadokari_builder.run.devices import SHARED
from yadokari_builder.run.mounts.caches import CacheKey, CacheStore, Fill
from yadokari_builder.run.mounts.files import SecretMount
from yadokari_builder.run.mounts.placement import Places
from yadokari_builder.run.mounts.ssh import SshMount
from yadokari_builder.run.spaces.view import Held, Memory, Written


class Mount(Protocol):
    """Something that stands at `target`, an absolute in-root path, while a step runs."""

    @property
    def target(self) -> str:
        """Where the step sees it."""

    def content(self, place: str, existing: os.stat_result | None) -> AbstractContextManager[None]:
        """Make the content at the host path `place`; in the end keep of it what is to be kept.

        `existing` is the state of what stands at the target in the root, if anything does.
        """


@dataclass(frozen=True, slots=True)
class BindMount:
    """Files of the context, a stage or an image; what the step changes in them is discarded."""

    target: str
    fill: Fill
    readonly: bool = True

    @contextmanager
    def content(self, place: str, existing: os.stat_result | None) -> Iterator[None]:  # noqa: ARG002
        """Fill the place."""
        self.fill(place)
        yield


@dataclass(frozen=True, slots=True)
class CacheMount:
    """A directory that is kept for later steps and stages; `fill` makes what it first holds, if anything."""

    target: str
    key: CacheKey
    store: CacheStore
    fill: Fill | None = None
    readonly: bool = False

    @contextmanager
    def content(self, place: str, existing: os.stat_result | None) -> Iterator[None]:  # noqa: ARG002
        """Take the cache out of the store and put it back in the end."""
        with self.store.lent(self.key, place, self.fill):
            yield


@dataclass(frozen=True, slots=True)
class TmpfsMount:
    """An empty directory, with the mode of what stands at its target (as runc does it) or 1777.

    It is to hold at most `size` bytes (0: no limit).
    """

    target: str
    size: int = 0

    @contextmanager
    def content(self, place: str, existing: os.stat_result | None) -> Iterator[None]:
        """Make the directory."""
        os.mkdir(place)
        os.chmod(place, stat.S_IMODE(existing.st_mode) if existing else 0o1777)
        yield


@dataclass(frozen=True, slots=True)
class Mounted:
    """What `held` stands in the root, those below others after them.

    `disturbed` is filled when all is taken away: in-root paths whose metadata the mounts changed and the step
    did not, to refresh in the snapshot that the step is compared with.
    """

    held: list[Held | Memory | Written] = field(default_factory=list)
    disturbed: list[str] = field(default_factory=list)


@contextmanager
def mounted(mounts: Iterable[Mount], *, boundary: Boundary, shelter: str) -> Iterator[Mounted]:
    """Have mounts in place while the context is open; afterwards nothing of them is left in the root.

    `shelter` is the host path of a directory in the root's filesystem that no snapshot sees.

    Raises `RunError` where a mount cannot be put in place or the step led its content away.
    """
    known = Mounted()
    # As new for each step, shared memory is what a tmpfs there would be.
    fresh = boundary.excluded & SHARED
    mounts = [each for each in mounts if not (isinstance(each, TmpfsMount) and each.target in fresh)]
    with _work_directory(shelter) as work, ExitStack() as opened:
        places = Places(boundary, opened)
        try:
            with ExitStack() as taken_away:
                for number, mount in enumerate(sorted(mounts, key=_depth)):
                    content, aside = f"{work}/content{number}", f"{work}/aside{number}"
                    taken_away.enter_context(mount.content(content, places.state(mount.target)))
                    path = taken_away.enter_context(places.placed(content, mount.target, aside))
                    if isinstance(mount, SshMount):
                        taken_away.enter_context(mount.listening(boundary.host(path)))
                    known.held.append(_held(mount, path))
                places.settle()
                try:
                    yield known
                finally:
                    places.note()
        finally:
            known.disturbed.extend(places.restore())


def _held(mount: Mount, path: str) -> Held | Memory | Written:
    match mount:
        case TmpfsMount(size=size):
            return Memory(path, size)
        case BindMount(readonly=readonly) | CacheMount(readonly=readonly):
            return Held(path, readonly)
        case SecretMount(apart=True):
            return Written(path, mount.data, mount.uid, mount.gid, mount.mode)
        case _:
            return Held(path)


def _depth(mount: Mount) -> int:
    """Mounts below other mounts come after these."""
    return posixpath.normpath(mount.target).count("/")


@contextmanager
def _work_directory(shelter: str) -> Iterator[str]:
    os.makedirs(shelter, exist_ok=True)
    work = mkdtemp(dir=shelter)
    try:
        yield work
    finally:
        discard(work)
