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
    """A layer whose download serves all readers that were announced; for any number of threads.

    Who reads it alone reads what comes from the registry. For more it is kept in a nameless file in `folder`,
    which they read while it comes in, and which is gone when the last of them is. What the download fails for
    is raised to all of them.
    """

    def __init__(self, source: LayerSource, folder: Path) -> None:
        self._source = source
        self._folder = folder
        self._lock = threading.Lock()
        self._expected = 0
        self._download: GrowingFile | None = None

    @property
    def layer(self) -> Layer:
        """The layer."""
        return self._source.layer

    @property
    def repository(self) -> Repository | None:
        """A repository that holds the blob."""
        return self._source.repository

    def expect(self) -> None:
        """Announce one more reader, who is to come or to be forgone."""
        with self._lock:
            self._expected += 1

    def forgo(self) -> None:
        """Tell that a reader who was announced does not come."""
        with self._lock:
            self._count_off()

    def join(self) -> GrowingFile | None:
        """Come as one who was announced; return the download that is shared, None for a sole reader.

        It stays as long as somebody holds it, and can be opened again and again.
        """
        with self._lock:
            if self._download is None and self._expected > 1:
                self._download = self._begin()
            download = self._download
            self._count_off()
            return download

    def open(self) -> BinaryIO:
        """Open the blob as it is stored, for a reader who was announced."""
        download = self.join()
        return download.open() if download else self._source.open()

    def open_unannounced(self) -> BinaryIO:
        """Open the blob for somebody who is not counted: what is kept, or else the registry's."""
        with self._lock:
            download = self._download
        return download.open() if download else self._source.open()

    def _count_off(self) -> None:
        self._expected = max(0, self._expected - 1)
        if not self._expected:
            # From now on the file is theirs who have it open.
            self._download = None

    def _begin(self) -> GrowingFile:
        file = NamelessFile(self._folder)
        download = GrowingFile(file)
        threading.Thread(target=self._fetch, args=(file, download), name="fetch", daemon=True).start()
        return download

    def _fetch(self, file: NamelessFile, download: GrowingFile) -> None:
        size = 0
        try:
            with self._source.open() as blob:
                while chunk := blob.read(_CHUNK):
                    self._keep(chunk, file)
                    size += len(chunk)
                    download.grow(size)
        except BaseException as error:
            download.give_up(error)
        else:
            download.end(self.layer.descriptor)

    def _keep(self, chunk: bytes, file: NamelessFile) -> None:
        try:
            file.append(chunk)
        except OSError as error:
            # Which file it is nobody knows: it has no name.
            what = f"keeping layer {self.layer.descriptor.digest}: {error.strerror}"
            raise OSError(error.errno, what) from error


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
        digest = layer.layer.descriptor.digest
        if digest not in self._layers:
            self._layers[digest] = SharedLayer(layer, self._folder)
        return self._layers[digest]
