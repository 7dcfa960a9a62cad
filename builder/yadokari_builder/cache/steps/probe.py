"""Looking for entries: many at once, and never so that a build fails for it."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass
from typing import TypeVar

from yadokari_builder.cache.steps.entry import Entry, Trace
from yadokari_builder.cache.steps.store import Store
from yadokari_builder.errors import BuilderError, ImageInvalidError, UnauthorizedError, described
from yadokari_builder.registry.source import LayerSource

logger = logging.getLogger(__name__)

T = TypeVar("T")

_AT_ONCE = 8
_FORBIDDEN = 403


@dataclass(frozen=True, slots=True)
class Found:
    """An entry, the store that it was found in, and where its layer comes from."""

    entry: Entry
    store: Store
    layer: LayerSource | None


class Prober:
    """Looks for entries in stores, the first one first; those older than `ttl` seconds count for nothing.

    A store that fails, or lets `patience` seconds pass, is left alone from then on: one warning says so. What
    one does not show counts as not there, with one warning, too: of what is missing some say no other thing.
    """

    def __init__(
        self,
        stores: Sequence[Store],
        ttl: float,
        *,
        patience: float = 20,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._stores = list(stores)
        self._ttl = ttl
        self._patience = patience
        self._clock = clock
        self._lock = threading.Lock()
        self._expired: set[str] = set()
        self._secretive: list[Store] = []

    @property
    def asks(self) -> bool:
        """Whether there is a store that is not left alone."""
        return bool(self._stores)

    def is_expired(self, key: str) -> bool:
        """Tell whether an entry was there that was too old."""
        return key in self._expired

    def probe(self, keys: Collection[str]) -> dict[str, Found | None]:
        """Look for entries side by side; raises nothing."""
        return self._answers(self._find, keys)

    def recall(self, name: str) -> Trace | None:
        """Return what the key of an instruction's newest entry was made of, as far as that is known."""
        return self._answers(self._recall, [name])[name]

    def _answers(self, ask: Callable[[str], T | None], names: Collection[str]) -> dict[str, T | None]:
        """Ask about each name, which raises nothing; None where that takes too long."""
        futures: dict[str, Future[T | None]] = {name: Future() for name in names}
        waiting = deque(futures.items())

        def work() -> None:
            while waiting:
                try:
                    name, future = waiting.popleft()
                except IndexError:
                    return
                future.set_result(ask(name))

        # No pool: its threads would be waited for in the end, however long a registry keeps silent.
        for _ in range(min(len(futures), _AT_ONCE)):
            threading.Thread(target=work, name="probe", daemon=True).start()
        done, late = wait(futures.values(), self._patience)
        if late:
            waiting.clear()
            for store in [*self._stores]:
                self._give_up(store, f"there is no answer for {self._patience:.0f} seconds")
        return {name: future.result() if future in done else None for name, future in futures.items()}

    def _recall(self, name: str) -> Trace | None:
        for store in [*self._stores]:
            try:
                if trace := store.recall(name):
                    return trace
            # Whatever it is, only a reason is not known.
            except Exception as error:
                logger.debug("cache: %s does not tell what has changed: %s", store, error)
                return None
        return None

    def _find(self, key: str) -> Found | None:
        for store in [*self._stores]:
            try:
                entry = store.find(key)
            except ImageInvalidError as error:
                logger.warning("cache: entry %s of %s is left out: %s", key[:12], store, error)
            except UnauthorizedError as error:
                if error.status == _FORBIDDEN:
                    self._say_once(store, str(error))
                else:
                    self._give_up(store, str(error))
            except BuilderError as error:
                self._give_up(store, str(error))
            except OSError as error:
                self._give_up(store, described(error))
            except Exception as error:
                # Whatever it is, the build goes on.
                self._give_up(store, f"{type(error).__name__}: {error}")
            else:
                if entry and self._is_fresh(entry):
                    return Found(entry, store, store.source(entry.layer) if entry.layer else None)
        return None

    def _is_fresh(self, entry: Entry) -> bool:
        if entry.created + self._ttl > self._clock():
            return True
        self._expired.add(entry.key)
        return False

    def _say_once(self, store: Store, why: str) -> None:
        with self._lock:
            if store in self._secretive:
                return
            self._secretive.append(store)
        logger.warning("cache: what %s does not show counts as not there: %s", store, why)

    def _give_up(self, store: Store, why: str) -> None:
        with self._lock:
            if store not in self._stores:
                return
            self._stores.remove(store)
        logger.warning("cache: %s is not asked any more: %s", store, why)
