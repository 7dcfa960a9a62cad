"""Entries in a folder: an OCI layout (image-spec, image-layout.md), on a volume for instance."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import BinaryIO

from yadokari_builder.cache.steps.entry import Document, Entry, Trace, parse_entry
from yadokari_builder.errors import ImageInvalidError, described
from yadokari_builder.oci.descriptor import Descriptor
from yadokari_builder.oci.digest import Digest
from yadokari_builder.oci.layer import Layer
from yadokari_builder.oci.manifest import Index, Manifest
from yadokari_builder.oci.media_types import OCI_INDEX, OCI_MANIFEST
from yadokari_builder.registry.source import LayerSource, LocalLayer

_NAME = "org.opencontainers.image.ref.name"
_LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'
_MOST_INDEX = 64 << 20
_MOST_MANIFEST = 1 << 20
_CHUNK = 1 << 20
_FILE_MODE = 0o644


@dataclass(frozen=True, slots=True)
class FolderStore:
    """A layout, each entry under its key for a name; other builds may write to it at the same time."""

    path: str

    def __str__(self) -> str:
        return f"oci:{self.path}"

    def find(self, key: str) -> Entry | None:
        """Return an entry; raises OSError and `ImageInvalidError`."""
        named = self._entries().get(key)
        if named is None:
            return None
        entry = parse_entry(Manifest.parse(self._checked(named.digest), OCI_MANIFEST), key)
        if entry.layer:
            self._require(entry.layer.descriptor)
        return entry

    def recall(self, name: str) -> Trace | None:
        """Return what a key was made of; raises OSError and `ImageInvalidError`."""
        named = self._entries().get(name)
        if named is None:
            return None
        return Trace.parse(Manifest.parse(self._checked(named.digest), OCI_MANIFEST).annotations)

    def source(self, layer: Layer) -> LayerSource:
        """Return a layer's blob, which is not checked when it is read."""
        return LocalLayer(layer, partial(self._open, layer.descriptor.digest))

    def write(self, document: Document, names: Sequence[str], layer: LayerSource | None) -> None:
        """Store an entry; raises OSError, and what reading the layer raises."""
        os.makedirs(os.path.join(self.path, "blobs", "sha256"), exist_ok=True)
        if layer and not self._has(layer.layer.descriptor):
            with layer.open() as blob, _completed(self._blob(layer.layer.descriptor.digest)) as file:
                shutil.copyfileobj(blob, file, _CHUNK)
        image = document.image
        self._put(self._blob(image.manifest.config.digest), document.config)
        self._put(self._blob(image.manifest_digest), document.manifest)
        self._put(os.path.join(self.path, "oci-layout"), _LAYOUT)
        entries = {
            name: Descriptor(
                OCI_MANIFEST, image.manifest_digest, len(document.manifest), MappingProxyType({_NAME: name})
            )
            for name in names
        }
        with open(os.path.join(self.path, ".lock"), "ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            index = Index(OCI_INDEX, tuple({**self._entries(), **entries}.values()))
            self._put(self._index, index.format())

    @property
    def _index(self) -> str:
        return os.path.join(self.path, "index.json")

    def _entries(self) -> dict[str, Descriptor]:
        try:
            data = _read(self._index, _MOST_INDEX)
        except FileNotFoundError:
            return {}
        index = Index.parse(data, OCI_INDEX)
        return {each.annotations.get(_NAME, str(each.digest)): each for each in index.manifests}

    def _checked(self, digest: Digest) -> bytes:
        try:
            data = _read(self._blob(digest), _MOST_MANIFEST)
        except FileNotFoundError:
            raise ImageInvalidError("its manifest is gone") from None
        if Digest.of(data) != digest:
            raise ImageInvalidError("its manifest is not what its digest says")
        return data

    def _require(self, descriptor: Descriptor) -> None:
        if not self._has(descriptor):
            raise ImageInvalidError("its layer is gone or has another length")

    def _has(self, descriptor: Descriptor) -> bool:
        try:
            return os.stat(self._blob(descriptor.digest)).st_size == descriptor.size
        except FileNotFoundError:
            return False

    def _open(self, digest: Digest) -> BinaryIO:
        try:
            return open(self._blob(digest), "rb")
        except OSError as error:
            raise ImageInvalidError(described(error)) from error

    def _blob(self, digest: Digest) -> str:
        return os.path.join(self.path, "blobs", digest.algorithm, digest.hex)

    def _put(self, path: str, data: bytes) -> None:
        with _completed(path) as file:
            file.write(data)


def _read(path: str, most: int) -> bytes:
    with open(path, "rb") as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise ImageInvalidError(f"{path} is longer than {most} bytes")
    return data


@contextmanager
def _completed(path: str) -> Iterator[BinaryIO]:
    """Open a file that gets its name when all is written, whoever else writes the same."""
    descriptor, partial_path = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".partial-")
    try:
        with open(descriptor, "wb") as file:
            yield file
            os.fchmod(descriptor, _FILE_MODE)
        os.replace(partial_path, path)
    except BaseException:
        os.unlink(partial_path)
        raise
