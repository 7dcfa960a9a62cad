"""Cache mounts: directories that outlive the steps that use them."""

import fcntl
import hashlib
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from typing import BinaryIO

from yadokari_builder.errors import RunError
from yadokari_builder.rootfs import relocate
from yadokari_builder.rootfs.tree import copy_tree, discard
from yadokari_builder.run.mounts.apart import separate

Fill = Callable[[str], None]
"""Makes a file or directory at a host path where nothing stands yet."""


@dataclass(frozen=True, slots=True)
class CacheKey:
    """What tells one cache from another.

    As with BuildKit, mounts with the same id but other initial content (`content` names it: a digest or a
    stage, with the path in it; empty for none) or other ownership have caches of their own.
    """

    id: str
    content: str = ""
    uid: int = 0
    gid: int = 0
    mode: int = 0o755

    @property
    def directory(self) -> str:
        """A file name for the cache, the same in every build."""
        readable = re.sub(r"[^A-Za-z0-9.-]+", "-", self.id).strip("-.")[-40:]
        fingerprint = hashlib.sha256("\0".join(map(str, astuple(self))).encode("utf-8", "surrogateescape"))
        return f"{readable}-{fingerprint.hexdigest()[:16]}"

    def make(self, place: str) -> None:
        """Make an empty cache with the key's owner and mode."""
        os.mkdir(place)
        os.chown(place, self.uid, self.gid)
        os.chmod(place, self.mode)


class CacheStore:
    """Caches in a directory, by key.

    In the root's filesystem a cache is renamed into its place and back. One elsewhere, such as a volume, may
    be shared with other builds and has to outlive this one: it is copied, and replaced as a whole in the end.
    """

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._lent: set[CacheKey] = set()

    @contextmanager
    def lent(
        self, key: CacheKey, place: str, fill: Fill | None = None, sharing: str = "shared"
    ) -> Iterator[None]:
        """Have a cache at the host path `place`; what stands there in the end is kept.

        A cache that is not there yet is made by `fill`, or empty with the key's owner and mode. `sharing` is
        what other builds with the same volume get meanwhile: "shared" its last state, "locked" nothing
        until this one is done, "private" one of their own that is not kept. Raises `RunError` where the cache
        is lent already.
        """
        if key in self._lent:
            raise RunError(
                f"the cache {key.id} is mounted twice in one step: give one an id of its own", status=126
            )
        os.makedirs(self._directory, exist_ok=True)
        near = os.stat(self._directory).st_dev == os.stat(os.path.dirname(place)).st_dev
        lending = _renamed if near else _copied
        self._lent.add(key)
        try:
            with lending(os.path.join(self._directory, key.directory), place, fill or key.make, sharing):
                yield
        finally:
            self._lent.discard(key)


@contextmanager
def _renamed(kept: str, place: str, fill: Fill, sharing: str) -> Iterator[None]:  # noqa: ARG001
    """Nobody else has this filesystem, so that there is nobody to share with."""
    if os.path.isdir(kept):
        relocate.move(kept, place)
    else:
        fill(place)
    try:
        yield
    finally:
        if _is_directory(place):
            relocate.move(place, kept)
            separate(kept)


@contextmanager
def _copied(kept: str, place: str, fill: Fill, sharing: str) -> Iterator[None]:
    with open(f"{kept}.lock", "ab") as lock:
        mine = _claim(lock, sharing)
        if mine and os.path.isdir(kept):
            _copy(kept, place)
        else:
            fill(place)
        if sharing == "shared":
            fcntl.flock(lock, fcntl.LOCK_UN)
        try:
            yield
        finally:
            if mine and _is_directory(place):
                fcntl.flock(lock, fcntl.LOCK_EX)
                _replace(kept, place)


def _claim(lock: BinaryIO, sharing: str) -> bool:
    """Take the lock as `sharing` wants it; tells whether the cache may be used."""
    if sharing != "private":
        fcntl.flock(lock, fcntl.LOCK_SH if sharing == "shared" else fcntl.LOCK_EX)
        return True
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _replace(kept: str, place: str) -> None:
    """Have a copy of `place` for the cache: whole or not at all, whenever this process may be killed."""
    for leftover in (f"{kept}.new", f"{kept}.old"):
        discard(leftover)
    _copy(place, f"{kept}.new")
    if os.path.isdir(kept):
        os.rename(kept, f"{kept}.old")
    os.rename(f"{kept}.new", kept)
    discard(f"{kept}.old")


def _copy(source: str, destination: str) -> None:
    os.mkdir(destination)
    copy_tree(source, destination)


def _is_directory(path: str) -> bool:
    return os.path.isdir(path) and not os.path.islink(path)
