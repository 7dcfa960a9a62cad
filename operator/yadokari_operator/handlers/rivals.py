"""Which ImageBuilds push to the same place: the later of them overwrites what the earlier one pushed."""

import threading
from collections.abc import Iterable

from yadokari_api.keys import Key

_FEW = 8


class Rivals:
    """An index over the destinations of ImageBuilds as they were last seen, in all namespaces.

    It fills again when the operator starts. It may be used from several threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._places: dict[Key, frozenset[str]] = {}
        self._builds: dict[str, set[Key]] = {}

    def replace(self, build: Key, places: Iterable[str]) -> frozenset[Key]:
        """Note where an ImageBuild pushes to now, nowhere when it is gone; tells whom that concerns.

        Where many push to one place, they know already that they are not alone.
        """
        now = frozenset(places)
        with self._lock:
            before = self._places.pop(build, frozenset())
            rivals = [self._builds.get(place, set()) for place in before ^ now]
            concerned = {other for keys in rivals if len(keys) <= _FEW for other in keys}
            for place in before - now:
                self._builds[place].discard(build)
                if not self._builds[place]:
                    del self._builds[place]
            for place in now:
                self._builds.setdefault(place, set()).add(build)
            if now:
                self._places[build] = now
        return frozenset(concerned - {build})

    def of(self, build: Key) -> dict[str, tuple[Key, ...]]:
        """Tell who else pushes to each place of an ImageBuild, in order."""
        with self._lock:
            others = {place: self._builds[place] - {build} for place in self._places.get(build, ())}
        return {place: tuple(sorted(keys)) for place, keys in sorted(others.items()) if keys}
