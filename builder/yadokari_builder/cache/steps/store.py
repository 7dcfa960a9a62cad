"""Where entries are: repositories of registries."""

import io
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from threading import Event
from typing import Protocol, TypeVar

from yadokari_builder.cache.steps.entry import Document, Entry, Trace, parse_entry
from yadokari_builder.errors import (
    ImageInvalidError,
    ImageNotFoundError,
    PushError,
    RegistryError,
    UnauthorizedError,
)
from yadokari_builder.oci.digest import Digest
from yadokari_builder.oci.layer import Layer
from yadokari_builder.oci.manifest import Manifest
from yadokari_builder.oci.media_types import OCI_MANIFEST
from yadokari_builder.oci.reference import Repository
from yadokari_builder.registry.client import RegistryClient, Request
from yadokari_builder.registry.http.transport import Answer, TransportError
from yadokari_builder.registry.source import LayerSource, RemoteLayer
from yadokari_builder.registry.upload import Uploads, is_immutable

logger = logging.getLogger(__name__)

T = TypeVar("T")

_MOST_MANIFEST = 1 << 20
# Bytes that are sent as soon as it is found out whether the registry has them.
_SMALL = 256 << 10


class Store(Protocol):
    """Entries by their keys."""

    def find(self, key: str) -> Entry | None:
        """Return an entry, whose layer is there as far as can be told without reading it.

        Raises `ImageInvalidError` for what is stored and is no entry, and what hinders asking.
        """

    def recall(self, name: str) -> Trace | None:
        """Return what the key of the newest entry of an instruction was made of; raises as `find` does."""

    def source(self, layer: Layer) -> LayerSource:
        """Return where the bytes of an entry's layer come from."""

    def write(self, documents: Sequence[Document], layer: LayerSource | None) -> None:
        """Store entries with the same layer, that and their configs first; raises what hinders it."""


@dataclass(frozen=True, slots=True)
class RegistryStore:
    """A repository, each entry under its key for a tag.

    With `is_written` the right to push is asked for, so that one token does for all, until it turns out that
    who has it not may still read. `stop` ends uploads.
    """

    client: RegistryClient
    repository: Repository
    is_written: bool = False
    stop: Event = field(default_factory=Event)
    _is_only_read: Event = field(default_factory=Event, init=False, compare=False, repr=False)

    def __str__(self) -> str:
        return str(self.repository)

    def find(self, key: str) -> Entry | None:
        """Return an entry: one request for its manifest, and one for whether its layer is there."""
        manifest = self._manifest(key)
        if manifest is None:
            return None
        entry = parse_entry(manifest, key)
        if entry.layer:
            self._require(entry.layer)
        return entry

    def recall(self, name: str) -> Trace | None:
        """Return what a key was made of."""
        manifest = self._manifest(name)
        return Trace.parse(manifest.annotations) if manifest else None

    def source(self, layer: Layer) -> LayerSource:
        """Return a layer's blob; reading it checks its digest."""
        return RemoteLayer(layer, self.repository, self.client)

    def write(self, documents: Sequence[Document], layer: LayerSource | None) -> None:
        """Store entries; a layer that another repository of the registry has is mounted.

        A registry whose tags are immutable keeps what it has under other names than keys.
        """
        uploads = Uploads(self.client, self.repository, self.stop)
        configs = {document.image.manifest.config.digest: document for document in documents}
        try:
            if layer:
                self._bring(layer, uploads)
            for document in configs.values():
                # Its time is in it: to ask for it would be in vain.
                uploads.upload(document.image.manifest.config, partial(io.BytesIO, document.config))
            for document in documents:
                self._name(document, uploads)
        except ImageNotFoundError as error:
            hint = "make that repository, or name another one by --cache-repo"
            raise PushError(f"{error}: {hint}", status=error.status, codes=error.codes) from error

    def _name(self, document: Document, uploads: Uploads) -> None:
        key, *others = document.names
        uploads.put_manifest(key, document.manifest, OCI_MANIFEST)
        for name in others:
            try:
                uploads.put_manifest(name, document.manifest, OCI_MANIFEST)
            except RegistryError as error:
                if not is_immutable(error):
                    raise
                logger.debug("cache: what was there before stays: %s", error)

    def _bring(self, layer: LayerSource, uploads: Uploads) -> None:
        descriptor, holder = layer.layer.descriptor, layer.repository
        if holder == self.repository:
            return
        is_near = holder is not None and holder.registry == self.repository.registry
        # A blob that is here already is mounted as well.
        if holder and is_near and uploads.mount(descriptor.digest, holder):
            return
        # An entry is written where there was none: its layer is hardly there.
        if descriptor.size <= _SMALL or not uploads.exists(descriptor.digest):
            uploads.upload(descriptor, layer.open)

    def _manifest(self, key: str) -> Manifest | None:
        request = Request(
            method="GET",
            repository=self.repository,
            url=f"manifests/{key}",
            task="look into the cache",
            expected=frozenset({200, 404}),
            push=self.is_written,
            headers={"Accept": OCI_MANIFEST},
        )
        data = self._ask(request, _document)
        return None if data is None else Manifest.parse(data, OCI_MANIFEST)

    def _require(self, layer: Layer) -> None:
        """Make sure that a layer has not been collected as garbage; raises `ImageInvalidError`."""
        request = Request(
            method="HEAD",
            repository=self.repository,
            url=f"blobs/{layer.descriptor.digest}",
            task="look for a layer of the cache",
            expected=frozenset({200, 404}),
            push=self.is_written,
        )
        length = self._ask(request, _length)
        if length is None:
            raise ImageInvalidError("its layer is gone")
        # Some say 0 of what they do not send.
        if length not in ("", "0", str(layer.descriptor.size)):
            raise ImageInvalidError(f"its layer has {length[:20]} bytes, not {layer.descriptor.size}")

    def _ask(self, request: Request, consume: Callable[[Answer], T]) -> T:
        if self._is_only_read.is_set():
            request = replace(request, push=False)
        try:
            return self.client.call(request, consume)
        except UnauthorizedError:
            if not request.push:
                raise
        # Some give no right at all to who asks for one that he has not.
        found = self.client.call(replace(request, push=False), consume)
        self._is_only_read.set()
        return found


def _document(answer: Answer) -> bytes | None:
    if answer.status == 404:
        answer.discard()
        return None
    try:
        data = answer.read(_MOST_MANIFEST)
    except TransportError as error:
        if error.temporary:
            raise
        raise ImageInvalidError(str(error)) from error
    said = answer.headers.get("Docker-Content-Digest", "")
    if said.startswith("sha256:") and said != str(Digest.of(data)):
        raise ImageInvalidError("it is not what its digest says")
    return data


def _length(answer: Answer) -> str | None:
    answer.discard()
    return None if answer.status == 404 else answer.headers.get("Content-Length", "")
