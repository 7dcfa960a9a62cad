"""Which ImageBuilds take their Dockerfile or context from which ConfigMap."""

from collections.abc import Iterable

from yadokari_api.keys import Key


class References:
    """An index over what was last seen of each ImageBuild; it fills again when the operator starts."""

    def __init__(self) -> None:
        self._config_maps: dict[Key, frozenset[str]] = {}
        self._builds: dict[tuple[str, str], set[Key]] = {}

    def replace(self, build: Key, config_maps: Iterable[str]) -> None:
        """Note the ConfigMaps that an ImageBuild refers to now; none when it is gone."""
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

    def users_of(self, namespace: str, config_map: str) -> frozenset[Key]:
        """Tell the ImageBuilds that refer to a ConfigMap."""
        return frozenset(self._builds.get((namespace, config_map), ()))
