"""Changes that come back from our own writing, of which nothing follows."""

import threading

from yadokari_api.keys import Key


class Echoes:
    """Knows versions of ImageBuilds that we wrote and need not look at; for use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._written: dict[Key, str] = {}

    def expect(self, key: Key, version: str) -> None:
        """Note the latest version that was written."""
        with self._lock:
            self._written[key] = version

    def forget(self, key: Key) -> None:
        """Note that nothing more is to be expected."""
        with self._lock:
            self._written.pop(key, None)

    def is_one(self, key: Key, version: str) -> bool:
        """Whether a change is one of those."""
        with self._lock:
            return self._written.get(key) == version
