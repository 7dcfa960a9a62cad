"""The caches that a build's arguments ask for."""

import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from threading import Event

from yadokari_builder.build.caching.steps import Policy
from yadokari_builder.build.caching.writing import Left
from yadokari_builder.build.layering.packing import Packing
from yadokari_builder.build.options import CACHE_FOLDER
from yadokari_builder.build.registries import Registries
from yadokari_builder.cache.layout import Layout
from yadokari_builder.cache.options import hold_volume
from yadokari_builder.cache.steps.entry import Trace
from yadokari_builder.cache.steps.folder import FolderStore
from yadokari_builder.cache.steps.key import Making, name_of_digests
from yadokari_builder.cache.steps.known import NAME, KnownDigests
from yadokari_builder.cache.steps.probe import Prober
from yadokari_builder.cache.steps.store import RegistryStore, Store
from yadokari_builder.errors import UsageError, described
from yadokari_builder.oci.platform import Platform
from yadokari_builder.oci.reference import InvalidReferenceError, Reference, Repository
from yadokari_builder.registry.http.retry import RetryPolicy
from yadokari_builder.rootfs.boundary import Boundary
from yadokari_contract.spec import BuildSpec

logger = logging.getLogger(__name__)

_NAME = "cache"
_DIGESTS = "--context-digests-file"
# What is not there at once is built sooner than it is waited for.
_RETRY = RetryPolicy(attempts=2)


@dataclass(frozen=True, slots=True)
class DigestsFile:
    """The file `name` in a layout's folder, for digests of a context's files.

    The entry `key` of the cache tells its checksum: on a volume steps can write to it, and they cannot to a
    registry. It is "" where the cache is in that folder itself.
    """

    layout: Layout
    name: str
    key: str = ""


@dataclass(frozen=True, slots=True)
class Caches:
    """Where steps are looked for, in this order, and which of the stores is written to.

    Digests of a context's files are in `digests`. `stop` ends what is being written.
    """

    stores: tuple[Store, ...]
    written: Store | None
    policy: Policy
    ttl: timedelta
    digests: DigestsFile | None
    stop: Event = field(default_factory=Event)

    def prober(self) -> Prober:
        """Return what looks for entries."""
        return Prober(self.stores, self.ttl.total_seconds())

    @contextmanager
    def known(
        self, prober: Prober, write: Callable[[Left], None] | None, platform: Platform
    ) -> Iterator[KnownDigests | None]:
        """Have digests of files from earlier builds; in the end later ones get those of this one.

        `write` has the entry written that vouches for them; without it none are kept.
        """
        place = self.digests
        if place is None:
            yield None
            return
        found = prober.probe([place.key])[place.key] if place.key else None
        checksum = (found.entry.name if found else "") if place.key else None
        known = KnownDigests(place.layout, name=place.name, checksum=checksum)
        yield known
        if write and (kept := known.keep()) and place.key:
            step = "digests of the context's files"
            write(Left([place.key], "", kept, step, Trace(), platform, None, int(time.time())))


def open_caches(spec: BuildSpec, registries: Registries, boundary: Boundary) -> Caches | None:
    """Find out where steps are looked for, None for nowhere; raises `UsageError` for what cannot be.

    `boundary` is that of the root.
    """
    if not (spec.cache or spec.cache_from):
        if spec.context_digests_file:
            raise UsageError(f"{_DIGESTS} is of use to a cache of steps alone: give --cache, too")
        return None
    if spec.single_snapshot:
        logger.warning("--single-snapshot makes one layer of all steps: the cache is left alone")
        return None
    stop = Event()
    own = _own(spec, registries, stop) if spec.cache else None
    others = [_read_only(text, registries) for text in spec.cache_from]
    stores = tuple(store for store in (own, *others) if store)
    if not stores:
        return None
    policy = Policy(copies=spec.cache_copy_layers, runs=spec.cache_run_layers)
    digests = _digests(spec, own, boundary)
    return Caches(stores, None if spec.no_push_cache else own, policy, spec.cache_ttl, digests, stop)


def making_of(packing: Packing, platform: Platform) -> Making:
    """Tell how layers are made."""
    compression = packing.compression
    level = "" if compression.level is None else f":{compression.level}"
    ignored = tuple(sorted(packing.ignored))
    return Making(str(platform), f"{compression.kind.value}{level}", ignored, packing.timestamp)


def _own(spec: BuildSpec, registries: Registries, stop: Event) -> Store | None:
    text = spec.cache_repo
    if text.startswith(CACHE_FOLDER):
        return _folder("--cache-repo", text, spec.cache_ttl)
    if text:
        repository = _repository("--cache-repo", text)
    elif spec.destinations:
        destination = Reference.parse(spec.destinations[0]).repository
        repository = Repository(destination.registry, f"{destination.name}/{_NAME}")
    else:
        raise UsageError("--cache has no place: name one by --cache-repo, or the image by --destination")
    if repository.objection:
        logger.warning(
            "cache: there can be none in %s: %s; name a repository by --cache-repo",
            repository,
            repository.objection,
        )
        return None
    registries.expect_push([repository])
    return RegistryStore(registries.pushing.trying(_RETRY), repository, not spec.no_push_cache, stop)


def _digests(spec: BuildSpec, own: Store | None, boundary: Boundary) -> DigestsFile | None:
    """Tell where digests of the context's files are: in the file that is named, or beside the cache."""
    if not spec.context_digests_file:
        return DigestsFile(Layout(own.path), NAME) if isinstance(own, FolderStore) else None
    folder, name = os.path.split(spec.context_digests_file)
    if not name:
        raise UsageError(f"{_DIGESTS} {spec.context_digests_file} names no file: write it as FOLDER/FILE")
    if spec.bucket or ("://" in spec.context and not spec.context.lower().startswith("dir://")):
        context = spec.bucket or spec.context
        raise UsageError(f"{_DIGESTS} is for a context in a folder: {context} is fetched for each build")
    try:
        layout = Layout(hold_volume(_DIGESTS, folder, boundary))
    except OSError as error:
        logger.warning("cache: digests of the context are not kept: %s: %s", _DIGESTS, described(error))
        return None
    return DigestsFile(layout, name, name_of_digests(name))


def _read_only(text: str, registries: Registries) -> Store | None:
    if text.startswith(CACHE_FOLDER):
        return _folder("--cache-from", text)
    repository = _repository("--cache-from", text)
    registries.expect_pull([repository])
    return RegistryStore(registries.pulling.trying(_RETRY), repository)


def _folder(flag: str, text: str, lasting: timedelta = timedelta()) -> FolderStore | None:
    path = text.removeprefix(CACHE_FOLDER)
    if not path:
        raise UsageError(f"{flag} {text} names no folder: write it as {CACHE_FOLDER}FOLDER")
    if obstacle := Layout(path).obstacle:
        logger.warning(
            "cache: there can be none in %s: %s is no folder: delete it, or name another folder by %s",
            text,
            obstacle,
            flag,
        )
        return None
    return FolderStore(path, lasting)


def _repository(flag: str, text: str) -> Repository:
    try:
        reference = Reference.parse(text)
    except InvalidReferenceError as error:
        raise UsageError(f"{flag}: {error}") from error
    if reference.repository.familiar != text and str(reference.repository) != text:
        raise UsageError(f"{flag} {text} is no repository: write it without a tag or a digest")
    return reference.repository
