"""Blobs of the images that a build starts from: each is fetched once, whatever wants to read it."""

import threading
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from yadokari_builder.layers.growing import GrowingFile
from yadokari_builder.layers.nameless import NamelessFile
from yadokari_builder.oci.digest import Digest
from yadokari_builder.oci.layer import Layer
from yadokari_builder.oci.reference import Repository
from yadokari_builder.registry.pull import PulledImage
from yadokari_builder.registry.source import LayerSource

_CHUNK = 1 << 20


class SharedLayer:
    """A layer that several readers are expected for: the first one's download serves them all.

    Who reads it alone reads what comes from the registry; for more it is kept in a nameless file in `folder`,
    until the last of them has closed it. Whoever comes unexpected reads it from the registry again.
    """

    def __init__(self, source: LayerSource, folder: Path) -> None:
        self._source = source
        self._folder = folder
        self._lock = threading.Lock()
        self._expected = 0
        self._growing: GrowingFile | None = None

    @property
    def layer(self) -> Layer:
        """The layer."""
        return self._source.layer

    @property
    def origin(self) -> Repository | None:
        """The repository that holds the blob."""
        return self._source.origin

    @property
    def is_kept(self) -> bool:
        """Whether the next reader shares a download with others."""
        with self._lock:
            return self._growing is not None or self._expected > 1

    def expect(self) -> None:
        """Announce one more reader."""
        with self._lock:
            self._expected += 1

    def forgo(self) -> None:
        """Tell that a reader who was announced does not come."""
        with self._lock:
            self._come()

    def open(self) -> BinaryIO:
        """Open the blob as it is stored."""
        with self._lock:
            if self._growing is None and self._expected > 1:
                self._growing = self._fetch()
            growing = self._growing
            self._come()
            if growing is not None:
                return growing.open()
        return self._source.open()

    def _come(self) -> None:
        """Count a reader; after the last one the file is theirs alone."""
        self._expected = max(0, self._expected - 1)
        if not self._expected:
            self._growing = None

    def _fetch(self) -> GrowingFile:
        file = NamelessFile(self._folder)
        growing = GrowingFile(file)
        threading.Thread(target=self._fill, args=(file, growing), name="fetch", daemon=True).start()
        return growing

    def _fill(self, file: NamelessFile, growing: GrowingFile) -> None:
        size = 0
        try:
            with self._source.open() as blob:
                while chunk := blob.read(_CHUNK):
                    file.append(chunk)
                    size += len(chunk)
                    growing.grow(size)
        except BaseException as error:
            growing.give_up(error)
        else:
            growing.end(self.layer.descriptor)


class Blobs:
    """The layers of all images of a build; images with a layer in common share it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._layers: dict[Digest, SharedLayer] = {}

    def shared(self, image: PulledImage) -> PulledImage:
        """Return an image whose layers are shared."""
        return replace(image, layers=self.of(image))

    def of(self, image: PulledImage) -> tuple[SharedLayer, ...]:
        """Return the layers of an image, from the bottom."""
        return tuple(map(self._shared, image.layers))

    def expect(self, image: PulledImage) -> None:
        """Announce one more reader of an image's layers."""
        for layer in self.of(image):
            layer.expect()

    def _shared(self, layer: LayerSource) -> SharedLayer:
        if isinstance(layer, SharedLayer):
            return layer
        digest = layer.layer.descriptor.digest
        return self._layers.setdefault(digest, SharedLayer(layer, self._folder))
