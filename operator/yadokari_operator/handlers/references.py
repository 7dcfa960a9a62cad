"""Which ImageBuilds take their Dockerfile or context from which ConfigMap."""

import threading
from collections.abc import Iterable

from yadokari_api.keys import Key


class References:
    """An index over what was last seen of each ImageBuild; it fills again when the operator starts.

    It may be used from several threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._config_maps: dict[Key, frozenset[str]] = {}
        self._builds: dict[tuple[str, str], set[Key]] = {}

    def replace(self, build: Key, config_maps: Iterable[str]) -> None:
        """Note the ConfigMaps that an ImageBuild refers to now; none when it is gone."""
        with self._lock:
            for name in self._config_maps.pop(build, frozenset()):
                users = self._builds[build.namespace, name]
                users.discard(build)
                if not users:
                    del self._builds[build.namespace, name]
            names = frozenset(config_maps)
            if names:
                self._config_maps[build] = names
            for name in names:
                self._builds.setdefault((build.namespace, name), set()).add(build)

    def users_of(self, config_map: Key) -> frozenset[Key]:
        """Tell the ImageBuilds that refer to a ConfigMap."""
        with self._lock:
            return frozenset(self._builds.get((config_map.namespace, config_map.name), ()))

    def users(self) -> frozenset[Key]:
        """Tell the ImageBuilds that refer to any ConfigMap."""
        with self._lock:
            return frozenset(self._config_maps)
