"""Which ImageBuilds are read with which other resources, by the kinds and names of these."""

import threading
from collections.abc import Iterable

from yadokari_api.keys import Key

Referred = tuple[str, str]
"""Kind and name of a resource in the namespace of an ImageBuild."""


class References:
    """An index over what was last seen of each ImageBuild; it fills again when the operator starts.

    It may be used from several threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Condition()
        self._referred: dict[Key, frozenset[Referred]] = {}
        self._builds: dict[str, dict[Key, set[Key]]] = {}

    def replace(self, build: Key, referred: Iterable[Referred]) -> None:
        """Note what an ImageBuild refers to now; nothing when it is gone."""
        with self._lock:
            for kind, name in self._referred.pop(build, frozenset()):
                self._forget(build, kind, Key(build.namespace, name))
            now = frozenset(referred)
            if now:
                self._referred[build] = now
            for kind, name in now:
                self._builds.setdefault(kind, {}).setdefault(Key(build.namespace, name), set()).add(build)
            self._lock.notify_all()

    def users_of(self, kind: str, key: Key) -> frozenset[Key]:
        """Tell the ImageBuilds that refer to a resource."""
        with self._lock:
            return frozenset(self._builds.get(kind, {}).get(key, ()))

    def users_of_kind(self, kind: str) -> frozenset[Key]:
        """Tell the ImageBuilds that refer to any resource of a kind."""
        with self._lock:
            return frozenset().union(*self._builds.get(kind, {}).values())

    def users(self) -> frozenset[Key]:
        """Tell the ImageBuilds that refer to anything."""
        with self._lock:
            return frozenset(self._referred)

    def await_users_of_kind(self, kind: str, longest: float) -> bool:
        """Wait, for so many seconds at most, until an ImageBuild refers to resources of a kind."""
        with self._lock:
            return self._lock.wait_for(lambda: kind in self._builds, longest)

    def _forget(self, build: Key, kind: str, key: Key) -> None:
        users = self._builds[kind]
        users[key].discard(build)
        if not users[key]:
            del users[key]
        if not users:
            del self._builds[kind]
