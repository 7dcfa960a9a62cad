"""Cache mounts: directories that outlive the steps that use them."""

import hashlib
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass

from yadokari_builder.errors import RunError
from yadokari_builder.rootfs import relocate
from yadokari_builder.run.mounts.apart import separate

Fill = Callable[[str], None]
"""Makes a file or directory at a host path where nothing stands yet."""


@dataclass(frozen=True, slots=True)
class CacheKey:
    """What tells one cache from another.

    As with BuildKit, mounts with the same id but other initial content (`content` names it by what it is, the
    same in every build; empty for none) or other ownership have caches of their own.
    """

    id: str
    content: str = ""
    uid: int = 0
    gid: int = 0
    mode: int = 0o755

    @property
    def directory(self) -> str:
        """A file name for the cache, the same in every build."""
        fingerprint = hashlib.sha256("\0".join(map(str, astuple(self))).encode("utf-8", "surrogateescape"))
        return f"{self.readable}-{fingerprint.hexdigest()[:16]}"

    @property
    def readable(self) -> str:
        """What people know the cache by, in letters, digits, dots and dashes; it may be empty."""
        return re.sub(r"[^A-Za-z0-9.-]+", "-", self.id)[-40:].strip("-.")

    def make(self, place: str) -> None:
        """Make an empty cache with the key's owner and mode."""
        os.mkdir(place)
        os.chown(place, self.uid, self.gid)
        os.chmod(place, self.mode)


@dataclass(frozen=True, slots=True)
class CacheUse:
    """A cache that a step wants, and how it shares it with other builds: "shared", "locked" or "private"."""

    key: CacheKey
    sharing: str = "shared"


class CacheStore:
    """Caches in a directory of the root's filesystem, by key: each is renamed into its place and back."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._lent: set[CacheKey] = set()

    @contextmanager
    def lent(self, key: CacheKey, place: str, fill: Fill | None = None) -> Iterator[None]:
        """Have a cache at the host path `place`; what stands there in the end is kept.

        A cache that is not there yet is made by `fill`, or empty with the key's owner and mode. Raises
        `RunError` where the cache is lent already.
        """
        if key in self._lent:
            raise RunError(
                f"the cache {key.id} is mounted twice in one step: give one an id of its own", status=126
            )
        os.makedirs(self._directory, exist_ok=True)
        kept = os.path.join(self._directory, key.directory)
        self._lent.add(key)
        try:
            if _is_directory(kept):
                relocate.move(kept, place)
            else:
                (fill or key.make)(place)
            try:
                yield
            finally:
                if _is_directory(place):
                    relocate.move(place, kept)
                    separate(kept)
        finally:
            self._lent.discard(key)


def _is_directory(path: str) -> bool:
    return os.path.isdir(path) and not os.path.islink(path)
