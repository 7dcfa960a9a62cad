"""Entries for later builds, written beside the build."""

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError as FutureCancelledError
from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import Event, Lock
from typing import BinaryIO, Self

from yadokari_builder.cache.steps.entry import Entry, Trace, format_entry
from yadokari_builder.cache.steps.store import Store
from yadokari_builder.errors import BuilderError, CancelledError, RegistryError, described
from yadokari_builder.oci.digest import Digest
from yadokari_builder.oci.layer import Layer
from yadokari_builder.oci.platform import Platform
from yadokari_builder.oci.reference import Repository
from yadokari_builder.registry.source import LayerSource
from yadokari_builder.registry.upload import is_immutable

logger = logging.getLogger(__name__)

_WORKERS = 2
_LEAST = 60.0
_MOST = 300.0
# Seconds that nobody wonders about.
_SOON = 2.0
# What a registry says of a thing that is not to its liking, and not of all that one might send.
_DISLIKES = frozenset({400, 405, 409, 412, 413, 415, 422})
_MOST_DISLIKED = 3


@dataclass(frozen=True, slots=True)
class Left:
    """What a step left, to be written under each of `keys`; `name` and `step` as in an entry.

    Where `last` is a name, this is the instruction's newest entry.
    """

    keys: Sequence[str]
    last: str
    name: str
    step: str
    trace: Trace
    platform: Platform
    layer: LayerSource | None
    created: int
    seconds: float = 0
    outline: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Near:
    """Where a layer is also on its way to, from which the cache may have it when it is there."""

    pushed: "Future[None]"
    repository: Repository


@dataclass(frozen=True, slots=True)
class _Mounted:
    """A layer that a repository holds by now."""

    source: LayerSource
    repository: Repository

    @property
    def layer(self) -> Layer:
        return self.source.layer

    def open(self) -> BinaryIO:
        return self.source.open()


def patience(took: float) -> float:
    """Tell how many seconds a build waits for its entries when it is done: what it `took`, within bounds."""
    return min(_MOST, max(_LEAST, took))


class Writer:
    """Writes entries into a store, whoever asks for it, in threads of its own.

    Leaving the context waits until all is written, for as long as `patience` says, by how long it was
    entered for, and not at all where the build was cancelled. What goes wrong is one warning, and then
    nothing more is written. An entry that a registry does not take is left out, and the first one is told;
    where it takes none, that is soon the end of it. `near` finds out whether a layer is on its way to another
    repository of the store's registry; `stop` ends what is under way.
    """

    def __init__(
        self,
        store: Store,
        near: Callable[[Digest], Near | None],
        stop: Event,
        patience: Callable[[float], float] = patience,
    ) -> None:
        self._store = store
        self._near = near
        self._stop = stop
        self._patience = patience
        self._entered = 0.0
        self._queue: queue.Queue[Left | None] = queue.Queue()
        self._lock = Lock()
        self._is_taken = False
        self._disliked = 0
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(_WORKERS)]

    def __enter__(self) -> Self:
        self._entered = time.monotonic()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind and (not issubclass(kind, Exception) or issubclass(kind, CancelledError)):
            self._stop.set()
        self._queue.put(None)
        seconds = self._patience(time.monotonic() - self._entered)
        if self._is_through(min(_SOON, seconds)):
            return
        logger.info("cache: waiting for %s to take what is left, %.0f seconds at most", self._store, seconds)
        if not self._is_through(seconds - _SOON):
            self._give_up(f"it is not through after {seconds:.0f} seconds")

    def add(self, left: Left) -> None:
        """Have entries written; may be called in any thread."""
        self._queue.put(left)

    def _is_through(self, seconds: float) -> bool:
        """Wait so long for all to be written, or given up; tell whether it is."""
        end = time.monotonic() + seconds
        for thread in self._threads:
            if not self._stop.is_set():
                thread.join(max(0, end - time.monotonic()))
        return self._stop.is_set() or not any(thread.is_alive() for thread in self._threads)

    def _work(self) -> None:
        while left := self._queue.get():
            if self._stop.is_set():
                continue
            try:
                self._write(left)
            except CancelledError:
                continue
            except RegistryError as error:
                self._leave_out(error)
            except BuilderError as error:
                self._give_up(str(error))
            except OSError as error:
                self._give_up(described(error))
            except Exception as error:
                # Whatever it is, the build goes on.
                self._give_up(f"{type(error).__name__}: {error}")
        self._queue.put(None)  # for the other ones

    def _write(self, left: Left) -> None:
        source = left.layer
        if source and (near := self._near(source.layer.descriptor.digest)):
            source = _arrived(source, near)
        layer = source.layer if source else None
        documents = []
        for number, key in enumerate(left.keys):
            entry = Entry(key, left.name, layer, left.created, left.seconds, left.outline)
            last = "" if number else left.last
            documents.append(format_entry(entry, left.step, left.platform, left.trace, last))
        self._store.write(documents, source)
        self._is_taken = True

    def _leave_out(self, error: RegistryError) -> None:
        if error.status not in _DISLIKES or error.temporary:
            self._give_up(str(error))
            return
        with self._lock:
            self._disliked += 1
            disliked = self._disliked
        level = logging.WARNING if disliked == 1 else logging.DEBUG
        logger.log(level, "cache: an entry is not taken by %s: %s", self._store, error)
        # That a tag is immutable shows that others have been taken.
        if disliked >= _MOST_DISLIKED and not (self._is_taken or is_immutable(error)):
            self._give_up(str(error))

    def _give_up(self, why: str) -> None:
        if not self._stop.is_set():
            self._stop.set()
            logger.warning("cache: nothing more is written to %s: %s", self._store, why)


def _arrived(source: LayerSource, near: Near) -> LayerSource:
    """Wait for a layer that is pushed; what fails there is somebody else's to tell."""
    try:
        near.pushed.result()
    except (BuilderError, OSError, FutureCancelledError):
        return source
    return _Mounted(source, near.repository)
