"""Entries in a folder: an OCI layout, on a volume for instance."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from threading import Lock
from types import MappingProxyType
from typing import BinaryIO

from yadokari_builder.cache.layout import Layout
from yadokari_builder.cache.steps.entry import Document, Entry, Trace, made_at, parse_entry
from yadokari_builder.cache.tidying import tidy
from yadokari_builder.errors import ImageInvalidError, described
from yadokari_builder.layers.streams import CHUNK_SIZE
from yadokari_builder.oci.descriptor import Descriptor
from yadokari_builder.oci.digest import Digest
from yadokari_builder.oci.layer import Layer
from yadokari_builder.oci.layout import REF_NAME
from yadokari_builder.oci.manifest import Manifest
from yadokari_builder.oci.media_types import OCI_MANIFEST
from yadokari_builder.registry.source import LayerSource, LocalLayer
from yadokari_contract.spec import BuildSpec

_MOST_MANIFEST = 1 << 20
_LEAST = BuildSpec().cache_ttl


@dataclass(slots=True)
class _Listed:
    """What the index names, read again when it is another file.

    It may be large: threads that look for entries at the same time do not hold it once each.
    """

    _lock: Lock = field(default_factory=Lock)
    _stamp: tuple[int, int, int] | None = None
    _named: Mapping[str, Descriptor] = field(default_factory=dict)

    def find(self, layout: Layout, name: str) -> Descriptor | None:
        """Return what has a name, the first of several; raises what reading the index does."""
        with self._lock:
            stamp = layout.stamp()
            if stamp != self._stamp:
                self._stamp, self._named = None, {}
                listed = reversed(layout.index().manifests)
                self._named = {each.annotations.get(REF_NAME, ""): each for each in listed}
                self._stamp = stamp
            return self._named.get(name)


@dataclass(frozen=True, slots=True)
class FolderStore:
    """A layout, each entry under its key for a name; other builds may write to it at the same time.

    Entries last as long as they do by default at least, and `lasting` if that is longer: others than this
    build may want them.
    """

    path: str
    lasting: timedelta = timedelta()
    _listed: _Listed = field(default_factory=_Listed, init=False, compare=False, repr=False)

    def __str__(self) -> str:
        return f"oci:{self.path}"

    def find(self, key: str) -> Entry | None:
        """Return an entry; raises OSError and `ImageInvalidError`."""
        manifest = self._manifest(key)
        if manifest is None:
            return None
        entry = parse_entry(manifest, key)
        if entry.layer and not self._layout.has(entry.layer.descriptor):
            raise ImageInvalidError("its layer is gone or has another length")
        return entry

    def recall(self, name: str) -> Trace | None:
        """Return what a key was made of; raises OSError and `ImageInvalidError`."""
        manifest = self._manifest(name)
        return Trace.parse(manifest.annotations) if manifest else None

    def source(self, layer: Layer) -> LayerSource:
        """Return a layer's blob, which is not checked when it is read."""
        return LocalLayer(layer, partial(self._open, layer.descriptor.digest))

    def write(self, documents: Sequence[Document], layer: LayerSource | None) -> None:
        """Store entries; raises OSError, and what reading the layer raises."""
        layout = self._layout
        layout.sweep()
        tidy(layout, self._is_spent)
        # One that is wrong was left out, and would be each time.
        if layer and not layout.holds(layer.layer.descriptor):
            with layer.open() as blob:
                layout.put(layer.layer.descriptor.digest, iter(partial(blob.read, CHUNK_SIZE), b""))
        for document in documents:
            layout.put(document.image.manifest.config.digest, [document.config])
            layout.put(document.image.manifest_digest, [document.manifest])
        layout.enlist([_listed(document, name) for document in documents for name in document.names])

    @property
    def _layout(self) -> Layout:
        return Layout(self.path)

    def _is_spent(self, manifest: Manifest) -> bool:
        lasting = max(self.lasting, _LEAST).total_seconds()
        try:
            made = made_at(manifest)
        except ImageInvalidError:
            return True
        return made is not None and made + lasting < time.time()

    def _manifest(self, name: str) -> Manifest | None:
        named = self._listed.find(self._layout, name)
        if named is None:
            return None
        try:
            return Manifest.parse(self._layout.document(named.digest, _MOST_MANIFEST), OCI_MANIFEST)
        except FileNotFoundError:
            raise ImageInvalidError("its manifest is gone") from None

    def _open(self, digest: Digest) -> BinaryIO:
        try:
            return self._layout.open(digest)
        except OSError as error:
            raise ImageInvalidError(described(error)) from error


def _listed(document: Document, name: str) -> Descriptor:
    annotations = MappingProxyType({REF_NAME: name})
    return Descriptor(OCI_MANIFEST, document.image.manifest_digest, len(document.manifest), annotations)
