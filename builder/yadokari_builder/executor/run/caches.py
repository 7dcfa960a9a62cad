"""Cache mounts: directories that outlive the steps that use them."""

import hashlib
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass

from yadokari_builder.errors import RunError

from . import relocate


@dataclass(frozen=True, slots=True)
class CacheKey:
    """What tells one cache from another.

    As with BuildKit, mounts with the same id but other initial content (`origin` names it: a digest or a
    stage, with the path in it; empty for none) or other ownership have caches of their own.
    """

    id: str
    origin: str = ""
    uid: int = 0
    gid: int = 0
    mode: int = 0o755

    @property
    def directory(self) -> str:
        """A file name for the cache, the same in every build."""
        readable = re.sub(r"[^A-Za-z0-9.-]+", "-", self.id).strip("-.")[-40:]
        fingerprint = hashlib.sha256("\0".join(map(str, astuple(self))).encode("utf-8", "surrogateescape"))
        return f"{readable}-{fingerprint.hexdigest()[:16]}"


class CacheStore:
    """Caches in a directory, by key; one build uses it at a time."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._lent: set[CacheKey] = set()

    @contextmanager
    def lent(self, key: CacheKey, place: str, fill: Callable[[str], None] | None = None) -> Iterator[None]:
        """Have a cache at the host path `place`, which is a rename where the filesystem is the same.

        A cache that is not there yet is made by `fill`, or empty with the key's owner and mode; what stands
        at `place` in the end is kept. Raises `RunError` where the cache is lent already.
        """
        if key in self._lent:
            raise RunError(
                f"the cache {key.id} is mounted twice in one step: give one an id of its own", status=126
            )
        kept = os.path.join(self._directory, key.directory)
        if os.path.isdir(kept):
            relocate.move(kept, place)
        elif fill:
            fill(place)
        else:
            _make(key, place)
        self._lent.add(key)
        try:
            yield
        finally:
            self._lent.discard(key)
            if os.path.isdir(place) and not os.path.islink(place):
                os.makedirs(self._directory, exist_ok=True)
                relocate.move(place, kept)


def _make(key: CacheKey, place: str) -> None:
    os.mkdir(place)
    os.chown(place, key.uid, key.gid)
    os.chmod(place, key.mode)
