"""Caches of RUN steps that outlive the container: brought before a step needs them, taken back when changed.

Between steps they stand in a folder of the root's filesystem, from where the steps' mounts take them.
"""

import logging
import os
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Lock
from types import TracebackType
from typing import Self

from yadokari_builder.cache.mounts.bundle import Bundle, pack_bundle, unpack_bundle
from yadokari_builder.cache.mounts.contents import NOTHING_YET, Contents, State
from yadokari_builder.cache.mounts.places import MOST_ARCHIVES, Kept, Place, Stamp
from yadokari_builder.cache.mounts.unpacker import LostError, Unpacker
from yadokari_builder.dockerfile.quoting import printable
from yadokari_builder.errors import BuilderError, CancelledError, RegistryError, described
from yadokari_builder.layers.leaks import NOTHING, Sought
from yadokari_builder.rootfs.tree import discard
from yadokari_builder.run.mounts.caches import CacheKey, CacheUse

logger = logging.getLogger(__name__)

_AT_ONCE = 4
_MEGABYTE = 1_000_000
_ANNOTATION = "dev.yadokari.cache.mount"
_MOST_SHOWN = 100


@dataclass(slots=True)
class _Cache:
    """A cache of this build, at the host path `folder` between its steps.

    `fetching` brings what is kept of it, which an `unpacker` may wait for, and whose `state` and `stamp` are
    known then; `kept` is what its files came from. It `is_due` to be kept once the build is done; if it
    `is_own` nobody else gets it.
    """

    id: str
    name: str
    folder: str
    fetching: "Future[None] | None" = None
    unpacker: Unpacker | None = None
    state: State = NOTHING_YET
    kept: Kept | None = None
    stamp: Stamp = None
    is_due: bool = False
    is_own: bool = False


class CacheMounts:
    """The caches of one build. What goes wrong with one costs a warning, and the cache, but not the build.

    `folder` is the host path of where they stand, `limit` how many bytes of each are kept; `name_of` names
    them in their place. One that holds what is `sought`, a secret, is not kept. Without a `place` none is
    brought or kept.

    Leaving the context waits until everything is kept, unless the build was cancelled or failed for more than
    a step that failed.
    """

    def __init__(
        self,
        place: Place | None,
        folder: str,
        limit: int,
        name_of: Callable[[CacheKey], str],
        sought: Sought = NOTHING,
    ) -> None:
        self._place = place
        self.folder = folder
        self._limit = limit
        self._name_of = name_of
        self._sought = sought
        self._caches: dict[CacheKey, _Cache] = {}
        self._pool = ThreadPoolExecutor(_AT_ONCE, "caches")
        self._stop = Event()
        self._lock = Lock()
        self._has_warned = self._has_told = False
        self._storing: list[Future[None]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        try:
            if error is None or (isinstance(error, BuilderError) and not isinstance(error, CancelledError)):
                self.keep()
                for future in self._storing:
                    future.result()
        finally:
            self._stop.set()
            self._pool.shutdown(cancel_futures=True)
            for cache in self._caches.values():
                self._forget(cache)
                self._dismiss(cache)

    def expect(self, uses: Iterable[CacheUse]) -> None:
        """Begin to bring caches that steps will want; no step runs yet."""
        for use in uses:
            # Whether a private one may be had is known once it is locked.
            if self._place and use.sharing != "private":
                cache = self._cache(use.key)
                if cache.fetching is None:
                    cache.unpacker = self._unpacker(cache)
                self._begin(cache, self._place)

    @contextmanager
    def ready(self, uses: Collection[CacheUse]) -> Iterator[None]:
        """Have the caches of one step in their folder, if there are such, and keep what becomes of them.

        A locked one is nobody else's until the step is done, and then kept at once; a private one is new and
        not kept where another build has it. Others are kept by `keep`.
        """
        with ExitStack() as stack:
            if place := self._place:
                # Builds that lock the same caches do so in the same order, or each might wait for the other.
                for use in sorted(uses, key=lambda use: self._name_of(use.key)):
                    stack.enter_context(self._held(use, place))
            yield

    def keep(self) -> None:
        """Begin to keep what has changed of the caches that steps had; no step runs any more."""
        for cache in self._caches.values():
            if self._place and cache.is_due:
                cache.is_due = False
                self._storing.append(self._pool.submit(self._store, cache, self._place))

    def _cache(self, key: CacheKey) -> _Cache:
        if key not in self._caches:
            self._caches[key] = _Cache(key.id, self._name_of(key), f"{self.folder}/{key.directory}")
        return self._caches[key]

    @staticmethod
    def _is_kept(use: CacheUse, place: Place) -> bool:
        return use.sharing != "private" or place.has_locks

    def _begin(self, cache: _Cache, place: Place) -> "Future[None]":
        if cache.fetching is None:
            cache.fetching = self._pool.submit(self._fetch, cache, place)
        return cache.fetching

    def _unpacker(self, cache: _Cache) -> Unpacker | None:
        """Start a process that unpacks a cache, if it is one of the first."""
        if len(self._caches) > _AT_ONCE:
            return None
        try:
            return Unpacker.start(cache.folder, self._limit)
        except OSError as error:
            logger.debug("no process unpacks the cache %s: %s", _shown(cache), described(error))
            return None

    @contextmanager
    def _held(self, use: CacheUse, place: Place) -> Iterator[None]:
        cache = self._cache(use.key)
        if cache.is_own or not self._is_kept(use, place):
            self._await_expected(cache)
            yield
        elif use.sharing == "shared" or not place.has_locks:
            self._tell_of_lock(use)
            self._begin(cache, place).result()
            cache.is_due = not cache.is_own
            yield
        else:
            with self._locked(cache, place, wait=use.sharing == "locked"):
                yield

    @contextmanager
    def _locked(self, cache: _Cache, place: Place, *, wait: bool) -> Iterator[None]:
        with ExitStack() as stack:
            is_mine = self._claim(stack, cache, place, wait=wait)
            if is_mine or wait:
                self._renew(cache, place)
            else:
                self._await_expected(cache)
            cache.is_own = cache.is_own or not is_mine
            try:
                yield
            except BuilderError:
                self._store(cache, place)
                raise
            self._store(cache, place)

    @staticmethod
    def _await_expected(cache: _Cache) -> None:
        """Have a cache that another step expects stand still, whoever has it first."""
        if cache.fetching:
            cache.fetching.result()

    def _claim(self, stack: ExitStack, cache: _Cache, place: Place, *, wait: bool) -> bool:
        try:
            is_mine = stack.enter_context(place.claimed(cache.name, wait=wait))
        except (BuilderError, OSError) as error:
            self._warn(cache, "cannot be locked", error)
            return wait
        if wait and not is_mine:
            why = BuilderError("another build does not let go of it; it is taken as it was and not kept")
            self._warn(cache, "cannot be locked", why)
        return is_mine

    def _renew(self, cache: _Cache, place: Place) -> None:
        """Bring a cache again that another build has put since."""
        self._begin(cache, place).result()
        if place.stamp(cache.name) not in (cache.stamp, None):
            discard(cache.folder)
            self._fetch(cache, place)

    def _fetch(self, cache: _Cache, place: Place) -> None:
        cache.stamp, cache.state = place.stamp(cache.name), NOTHING_YET
        self._forget(cache)
        try:
            try:
                self._bring(cache, place)
            finally:
                self._dismiss(cache)
        except CancelledError:
            return
        # Whatever somebody's archive makes go wrong: it is a cache.
        except Exception as error:
            # What a registry has that cannot be reached may be better than what this build makes.
            cache.is_own = isinstance(error, RegistryError) and error.temporary
            self._warn(cache, "is empty", error)

    def _bring(self, cache: _Cache, place: Place) -> None:
        kept = place.find(cache.name)
        if kept is None:
            return
        with ExitStack() as stack:
            stack.callback(kept.close)
            cache.state = self._unpack(cache, kept)
            stack.pop_all()
        cache.kept = kept
        logger.debug("the cache %s is there", _shown(cache))

    def _unpack(self, cache: _Cache, kept: Kept) -> State:
        """Have a cache unpacked by its process, or do so here if it has none, or no longer."""
        if cache.unpacker:
            try:
                return cache.unpacker.unpack(kept, self._beat)
            except LostError as error:
                logger.debug("the cache %s: %s; once more", _shown(cache), error)
            self._dismiss(cache)
            discard(cache.folder)  # it may have been done already
        return unpack_bundle(kept.archives, cache.folder, self._limit, self._beat)

    def _store(self, cache: _Cache, place: Place) -> None:
        if cache.is_own or not os.path.isdir(cache.folder):
            return
        try:
            contents = Contents.of(cache.folder)
            if contents.state.looks_like(cache.state):
                return
            since = cache.state if cache.kept and cache.kept.number < MOST_ARCHIVES else None
            work = Path(self.folder)
            bundle = pack_bundle(contents, self._limit, work, self._beat, self._sought, since)
            onto = cache.kept if bundle.adds else None
            place.put(cache.name, bundle.packed, {_ANNOTATION: _shown(cache)}, onto)
        except CancelledError:
            return
        except Exception as error:
            self._warn(cache, "is not kept for other builds", error)
            return
        cache.state, cache.stamp = contents.state, place.stamp(cache.name)
        self._forget(cache)
        self._tell(cache, bundle)

    @staticmethod
    def _forget(cache: _Cache) -> None:
        """Put nothing more onto what the cache came from."""
        if cache.kept:
            cache.kept.close()
        cache.kept = None

    @staticmethod
    def _dismiss(cache: _Cache) -> None:
        """End the process that waits for a cache."""
        if cache.unpacker:
            cache.unpacker.close()
        cache.unpacker = None

    def _beat(self) -> None:
        if self._stop.is_set():
            raise CancelledError("the build is over")

    def _tell(self, cache: _Cache, bundle: Bundle) -> None:
        megabytes = bundle.packed.layer.descriptor.size / _MEGABYTE
        dropped = f", without {bundle.dropped} files that are too much" if bundle.dropped else ""
        changed = " that have changed" if bundle.adds else ""
        logger.info("kept the cache %s: %.1f MB%s%s", _shown(cache), megabytes, changed, dropped)

    def _tell_of_lock(self, use: CacheUse) -> None:
        if use.sharing == "locked" and not self._has_told:
            self._has_told = True
            logger.info(
                "sharing=locked holds in this build alone: a registry has no locks, so of builds at the same"
                " time the last one's cache is kept"
            )

    def _warn(self, cache: _Cache, what: str, error: Exception) -> None:
        """Say what is wrong: as a warning once, as there may be many caches in a registry that is down."""
        with self._lock:
            level = logging.INFO if self._has_warned else logging.WARNING
            self._has_warned = True
        why = described(error) if isinstance(error, OSError) else str(error)
        logger.log(level, "the cache %s %s: %s", _shown(cache), what, why)
        logger.debug("the cache %s", _shown(cache), exc_info=error)


def _shown(cache: _Cache) -> str:
    return printable(cache.id[:_MOST_SHOWN])
