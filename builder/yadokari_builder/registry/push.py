"""Push: an image to several destinations, layer by layer while the build goes on."""

import io
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event, Lock
from typing import Self

from yadokari_builder.errors import (
    BuilderError,
    ImageNotFoundError,
    PushError,
    RegistryError,
    UnauthorizedError,
)
from yadokari_builder.oci.descriptor import Descriptor
from yadokari_builder.oci.digest import Digest
from yadokari_builder.oci.image import Image
from yadokari_builder.oci.media_types import FOREIGN_LAYERS
from yadokari_builder.oci.reference import Reference, Repository
from yadokari_builder.registry.client import RegistryClient
from yadokari_builder.registry.source import GrowingSource, LayerSource
from yadokari_builder.registry.upload import Uploads, is_immutable

logger = logging.getLogger(__name__)

_WORKERS = 4


class Pusher:
    """Pushes one image to all its destinations.

    Layers are uploaded in the background as they are added, each of them once to each repository: mounted
    from another repository of the same registry where one has it, else streamed from its source, which each
    registry reads for itself. Leaving the context gives up what is still under way.

    With `keeps_immutable` a tag that a registry does not let be overwritten is left as it is; `by_digest`
    gives the image no tag at all.
    """

    def __init__(
        self,
        client: RegistryClient,
        destinations: Iterable[Reference],
        *,
        keeps_immutable: bool = False,
        by_digest: bool = False,
    ) -> None:
        self._keeps_immutable = keeps_immutable
        self._by_digest = by_digest
        self._stop = Event()
        self._pool = ThreadPoolExecutor(_WORKERS, "push")
        self._lock = Lock()
        self._layers: dict[Digest, Future[None]] = {}
        self._early: list[tuple[GrowingSource, Future[None]]] = []
        self._names = _names_by_repository(destinations)
        self._groups = _by_registry(Uploads(client, repository, self._stop) for repository in self._names)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def repositories(self) -> tuple[Repository, ...]:
        """The repositories that are pushed to."""
        return tuple(self._names)

    def check(self) -> None:
        """Find out whether all destinations can be pushed to, before there is anything to push.

        Raises `UnauthorizedError` or `PushError`.
        """
        _wait(self._begin(self._repositories(), Uploads.check))

    def begin_layer(self, growing: GrowingSource) -> None:
        """Begin to push a layer that is still being made, to each registry once.

        It is to be added all the same when it is made: whatever went wrong meanwhile is made up for then.
        """
        with self._lock:
            for group in self._groups:
                self._early.append((growing, self._pool.submit(_push_early, group[0], growing)))

    def add_layer(self, source: LayerSource) -> "Future[None]":
        """Begin to push a layer; errors come with the future and again from `finish`.

        One that could not be pushed from another source is tried again.
        """
        digest = source.layer.descriptor.digest
        with self._lock:
            pushed = self._layers.get(digest)
            if pushed is None or (pushed.done() and pushed.exception()):
                early = [upload for growing, upload in self._early if growing.has_become(digest)]
                self._layers[digest] = self._pool.submit(self._push_layer, source, early)
            return self._layers[digest]

    def finish(self, image: Image) -> Digest:
        """Wait for an image's layers, push its config and manifest, and return its digest.

        Raises `UnauthorizedError`, `PushError`, or what reading a layer's source raises.
        """
        config, manifest = image.config.format(), image.manifest.format()
        # While the last layers are under way.
        configs = self._begin(
            self._repositories(), lambda uploads: _push_small(uploads, image.manifest.config, config)
        )
        for layer in image.layers:
            if pushed := self._layers.get(layer.descriptor.digest):
                pushed.result()
        _wait(configs)
        self.name(manifest, image.manifest.media_type, image.manifest_digest)
        return image.manifest_digest

    def name(self, document: bytes, media_type: str, digest: Digest) -> None:
        """Push a manifest, or an index, whose parts are there, under the names of all destinations.

        Raises `UnauthorizedError` or `PushError`.
        """
        for uploads in self._repositories():
            names = (str(digest),) if self._by_digest else self._names[uploads.repository]
            for name in names:
                self._push_manifest(uploads, name, document, media_type, digest)

    def close(self) -> None:
        """Give up what is under way and wait until it has ended."""
        self._stop.set()
        self._pool.shutdown(cancel_futures=True)

    def _repositories(self) -> Iterator[Uploads]:
        for group in self._groups:
            yield from group

    def _begin(
        self, repositories: Iterable[Uploads], action: Callable[[Uploads], None]
    ) -> "list[Future[None]]":
        def guarded(uploads: Uploads) -> None:
            with _push_errors():
                action(uploads)

        return [self._pool.submit(guarded, uploads) for uploads in repositories]

    def _push_manifest(
        self, uploads: Uploads, name: str, document: bytes, media_type: str, digest: Digest
    ) -> None:
        where = _destination(uploads.repository, name)
        with _push_errors():
            try:
                uploads.put_manifest(name, document, media_type)
                logger.info("pushed %s", where)
            except RegistryError as error:
                if not (self._keeps_immutable and is_immutable(error)):
                    raise
                logger.warning("%s is immutable and stays as it is: %s", where, error)
                # The digest that is reported can be pulled all the same.
                uploads.put_manifest(str(digest), document, media_type)

    def _push_layer(self, source: LayerSource, early: "Sequence[Future[None]]") -> None:
        for upload in early:
            upload.result()
        if source.layer.descriptor.media_type in FOREIGN_LAYERS:
            return
        with _push_errors():
            if len(self._groups) == 1:
                _push_to_registry(self._groups[0], source)
                return
            with ThreadPoolExecutor(len(self._groups), "push-registry") as pool:
                list(pool.map(lambda group: _push_to_registry(group, source), self._groups))


def _wait(futures: "Iterable[Future[None]]") -> None:
    for future in futures:
        future.result()


def _push_early(uploads: Uploads, growing: GrowingSource) -> None:
    try:
        uploads.upload_growing(growing)
    except (BuilderError, OSError) as error:
        logger.debug("a layer could not be pushed while it was made: %s", error)


def _push_to_registry(group: Sequence[Uploads], source: LayerSource) -> None:
    """Bring a layer into all repositories of one registry."""
    descriptor = source.layer.descriptor
    repository = source.repository
    holder = repository if repository and repository.registry == group[0].repository.registry else None
    for uploads in group:
        how = _push_to_repository(uploads, source, holder)
        logger.debug("layer %s %s %s", descriptor.digest, how, uploads.repository)
        holder = uploads.repository


def _push_to_repository(uploads: Uploads, source: LayerSource, holder: Repository | None) -> str:
    descriptor = source.layer.descriptor
    if uploads.repository == holder or uploads.exists(descriptor.digest):
        return "is already in"
    if holder and uploads.mount(descriptor.digest, holder):
        return f"was mounted from {holder.name} into"
    uploads.upload(descriptor, source.open)
    return "was uploaded to"


def _push_small(uploads: Uploads, descriptor: Descriptor, data: bytes) -> None:
    if not uploads.exists(descriptor.digest):
        uploads.upload(descriptor, lambda: io.BytesIO(data))


def _names_by_repository(destinations: Iterable[Reference]) -> Mapping[Repository, tuple[str, ...]]:
    names: dict[Repository, tuple[str, ...]] = {}
    for destination in destinations:
        name = destination.tag or str(destination.digest)
        known = names.get(destination.repository, ())
        names[destination.repository] = tuple(dict.fromkeys((*known, name)))
    return names


def _by_registry(repositories: Iterable[Uploads]) -> tuple[tuple[Uploads, ...], ...]:
    groups: dict[str, tuple[Uploads, ...]] = {}
    for uploads in repositories:
        registry = uploads.repository.registry
        groups[registry] = (*groups.get(registry, ()), uploads)
    return tuple(groups.values())


def _destination(repository: Repository, name: str) -> str:
    return f"{repository}{'@' if ':' in name else ':'}{name}"


@contextmanager
def _push_errors() -> Iterator[None]:
    """Turn what registries refuse into `PushError`; missing rights stay `UnauthorizedError`."""
    try:
        yield
    except (UnauthorizedError, PushError):
        raise
    except RegistryError as error:
        text = str(error)
        if isinstance(error, ImageNotFoundError) and set(error.codes) <= {"NAME_UNKNOWN"}:
            text += ": is there such a repository?"
        raise PushError(text, status=error.status, codes=error.codes, temporary=error.temporary) from error
