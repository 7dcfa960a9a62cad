"""Follow the resources of one kind by their metadata, for as long as the operator runs."""

import logging
import time
from collections.abc import Callable

from yadokari_api.keys import Key
from yadokari_operator.cluster.api import ClusterError, GarbledError
from yadokari_operator.cluster.metadata import SILENCE, ExpiredError, Metadata, key_of

logger = logging.getLogger(__name__)

_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 15.0
LONGEST_SILENCE = SILENCE + 4 * _LONGEST_PAUSE
"""Seconds; after `SILENCE` a watch is given up, so what is silent for longer has ended or hangs."""


class Watch:
    """Tells `changed` each resource that changes, and begins anew where the server has lost the thread.

    `begin` gives the version from which on changes are followed; it is called first, and then each time when
    some may have been missed. `is_echo` says which versions of which resources are not told, `heard` is told
    the kind each time when the server says something. `error` is what it says while it cannot be followed.
    While it runs, it gives a sign of life every `LONGEST_SILENCE` seconds at least: `seen` is when, by
    `clock`. `wanted` waits for so many seconds at most, and tells whether anybody wants to know: before,
    nothing is asked for.
    """

    def __init__(
        self,
        what: str,
        metadata: Metadata,
        begin: Callable[[], str],
        changed: Callable[[Key], None],
        pause: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        is_echo: Callable[[Key, str], bool] = lambda _, __: False,
        heard: Callable[[str], None] = lambda _: None,
        wanted: Callable[[float], bool] = lambda _: True,
    ) -> None:
        self.seen = clock()
        self._clock = clock
        self._wanted = wanted
        self.error: ClusterError | None = None
        self.what = what
        self._metadata = metadata
        self._begin = begin
        self._changed = changed
        self._pause = pause
        self._is_echo = is_echo
        self._heard = heard
        self._version = ""
        self._failures = 0

    def run(self) -> None:
        """Follow without end."""
        while True:
            self.seen = self._clock()
            if not self._wanted(_LONGEST_PAUSE):
                # Nothing is overdue, and nothing wrong, with what nobody waits for.
                self._heard(self.what)
                self.error = None
                continue
            try:
                self.follow()
            except ExpiredError:
                self._version = ""
            except GarbledError as error:
                self._failed(error)
                # What it was nobody knows: from the same version on, it may come again for ever.
                self._version = ""
            except ClusterError as error:
                self._failed(error)
            except Exception:
                # Whatever it is that the server sent: no bug here may make the operator deaf.
                logger.exception("watching %s anew after an error of the operator itself", self.what)
                self._version = ""
            wait = self.error.wait if self.error is not None else 0.0
            self._pause(max(wait, min(_FIRST_PAUSE * 2.0**self._failures, _LONGEST_PAUSE)))

    def follow(self) -> None:
        """Follow until the server ends the watch. Raises `ClusterError`."""
        self._version = self._version or self._begin()
        for change in self._metadata.changes(self._version):
            self._recovered()
            self._heard(self.what)
            self._version = change.version
            if change.key is not None and not self._is_echo(change.key, change.version):
                self._changed(change.key)

    @property
    def is_dead(self) -> bool:
        """Whether nothing has come of it, not even an error, for longer than can be."""
        return self._clock() > self.seen + LONGEST_SILENCE

    def _recovered(self) -> None:
        self.seen = self._clock()
        if self.error is not None:
            logger.info("watching %s again", self.what)
        self.error, self._failures = None, 0

    def _failed(self, error: ClusterError) -> None:
        level = logging.DEBUG if self.error is not None and str(error) == str(self.error) else logging.WARNING
        logger.log(level, "cannot watch %s, trying on: %s", self.what, error)
        self.error = error
        self._failures = min(self._failures + 1, 10)


def list_all(metadata: Metadata, seen: Callable[[Key], None]) -> str:
    """Tell all resources that there are; gives the version of the list."""
    version = ""
    for page in metadata.pages():
        version = page.version
        for item in page.items:
            seen(key_of(item))
    return version


def version_now(metadata: Metadata) -> str:
    """Give the version of now, without asking for more than one resource."""
    return next(metadata.pages(1)).version
