"""Base images in a folder that warmers fill and builds read: an OCI layout (image-spec, image-layout.md).

The index says what a name meant, on which platform and when; blobs go by their digests alone. Others may
write there at the same time, and what is there may be damaged: no blob is taken that its digest does not fit.
"""

import logging
import re
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import timedelta
from types import MappingProxyType
from typing import BinaryIO

from yadokari_builder.cache.layout import Layout
from yadokari_builder.errors import BuilderError, ImageInvalidError, described
from yadokari_builder.layers.streams import CHUNK_SIZE, HashingReader
from yadokari_builder.oci.config import ImageConfig
from yadokari_builder.oci.descriptor import Descriptor
from yadokari_builder.oci.digest import Digest
from yadokari_builder.oci.image import Image
from yadokari_builder.oci.layer import Layer
from yadokari_builder.oci.layout import REF_NAME
from yadokari_builder.oci.manifest import Manifest
from yadokari_builder.oci.media_types import FOREIGN_LAYERS
from yadokari_builder.oci.platform import Platform
from yadokari_builder.oci.reference import Reference, Repository
from yadokari_builder.registry.documents import MAX_CONFIG, MAX_MANIFEST
from yadokari_builder.registry.pull import FindImage, PulledImage
from yadokari_builder.registry.source import LayerSource

logger = logging.getLogger(__name__)

_TIME = "dev.yadokari.cache.time"
_WARMING = ".warming"


@dataclass(frozen=True, slots=True)
class KeptImage:
    """An image in the folder, and when it was found under its name, in seconds since the epoch."""

    image: Image
    time: int


@dataclass(frozen=True, slots=True)
class BaseFolder:
    """A layout of base images; methods raise OSError, and `ImageInvalidError` for what is damaged."""

    path: str

    def is_filled(self) -> bool:
        """Tell whether a warmer has been there."""
        return self._layout.is_there

    def find(self, reference: Reference, platform: Platform) -> KeptImage | None:
        """Return the image that a name meant on a platform; None if there is none."""
        name = _name(reference, platform)
        return self._first(lambda entry: entry.annotations.get(REF_NAME) == name)

    def find_digest(self, digest: Digest) -> KeptImage | None:
        """Return the image whose manifest has a digest; None if there is none."""
        return self._first(lambda entry: entry.digest == digest)

    def open(self, descriptor: Descriptor) -> BinaryIO | None:
        """Open a blob that has been read to its end and fits its digest; None if it is not there."""
        try:
            blob = self._layout.open(descriptor.digest)
        except FileNotFoundError:
            return None
        try:
            reader = HashingReader(blob, descriptor.digest.hasher())
            size = 0
            while size <= descriptor.size and (chunk := reader.read(CHUNK_SIZE)):
                size += len(chunk)
            if size != descriptor.size or reader.hexdigest() != descriptor.digest.hex:
                raise ImageInvalidError(f"blob {descriptor.digest} has another content")
            blob.seek(0)
        except BaseException:
            blob.close()
            raise
        return blob

    def keep(
        self, image: PulledImage, reference: Reference, platform: Platform, now: int, *, again: bool = False
    ) -> None:
        """Put an image there, as what a name means on a platform from `now` on (seconds since the epoch).

        Its documents are written as they stand (see `Puller.verbatim`). Blobs that are there and right stay,
        unless they are to be written `again`. One warmer at a time does this; others wait. Raises what
        reading the layers does, too.
        """
        layout, manifest = self._layout, image.image.manifest
        with layout.locked(_WARMING, "another warmer is at work: waiting for it"):
            layout.sweep()
            for layer in image.layers:
                if layer.layer.descriptor.media_type not in FOREIGN_LAYERS:
                    self._keep_layer(layer, again=again)
            layout.put(manifest.config.digest, [image.image.config.format()])
            layout.put(image.image.manifest_digest, [manifest.format()])
            layout.enlist([_listed(image.image, _name(reference, platform), now)])

    @property
    def _layout(self) -> Layout:
        return Layout(self.path)

    def _first(self, fits: Callable[[Descriptor], bool]) -> KeptImage | None:
        entry = next(filter(fits, self._layout.index().manifests), None)
        if entry is None:
            return None
        seconds = entry.annotations.get(_TIME, "")
        return KeptImage(self._image(entry), int(seconds) if re.fullmatch("[0-9]{1,12}", seconds) else 0)

    def _keep_layer(self, layer: LayerSource, *, again: bool) -> None:
        descriptor = layer.layer.descriptor
        if not again and self._is_right(descriptor):
            return
        with closing(layer.open()) as blob:
            self._layout.put(descriptor.digest, iter(lambda: blob.read(CHUNK_SIZE), b""))

    def _is_right(self, descriptor: Descriptor) -> bool:
        try:
            found = self.open(descriptor)
        except ImageInvalidError as error:
            logger.warning("%s: %s: it is fetched again", self.path, error)
            return False
        if found:
            found.close()
        return found is not None

    def _image(self, entry: Descriptor) -> Image:
        layout = self._layout
        manifest = Manifest.parse(layout.document(entry.digest, MAX_MANIFEST), entry.media_type)
        config = ImageConfig.parse(layout.document(manifest.config.digest, MAX_CONFIG))
        return Image.of(entry.digest, manifest, config)


@dataclass(slots=True)
class CachedBases:
    """Finds images in a folder first and then by `resolve`; layers of any image come from it if they can.

    What a name means is taken from it if its index is `trusted`, of a tag for as long as `lasting` after it
    was found out; what has the digest that is asked for always. What is damaged is warned of once, and then
    registries are asked. May be used by several threads once images are found.
    """

    folder: BaseFolder
    resolve: FindImage
    trusted: bool
    lasting: timedelta
    clock: Callable[[], float] = time.time
    _found: dict[tuple[Reference, Platform], PulledImage] = field(default_factory=dict)
    _warned: bool = False

    def find(self, reference: Reference, platform: Platform) -> PulledImage:
        """Return an image for a platform; raises what `resolve` does."""
        key = (reference, platform)
        if key not in self._found:
            self._found[key] = self._kept(reference, platform) or self._shared(
                self.resolve(reference, platform)
            )
        return self._found[key]

    def open(self, descriptor: Descriptor) -> BinaryIO | None:
        """Open a blob of the folder; None where it is not there or not what it should be."""
        try:
            return self.folder.open(descriptor)
        except (OSError, ImageInvalidError) as error:
            self._warn(error)
            return None

    def _kept(self, reference: Reference, platform: Platform) -> PulledImage | None:
        try:
            kept = self.folder.find_digest(reference.digest) if reference.digest else None
            if kept is None and self.trusted:
                kept = self.folder.find(reference, platform)
        except (OSError, ImageInvalidError) as error:
            self._warn(error)
            return None
        if kept is None or not (reference.digest or self._is_fresh(kept)):
            return None
        logger.info("%s is in %s", reference.familiar, self.folder.path)
        repository = reference.repository
        same = Reference(repository, digest=kept.image.manifest_digest)
        layers = tuple(
            _CachedLayer(layer, repository, self, _of_registry(self.resolve, same, platform, layer))
            for layer in kept.image.layers
        )
        return PulledImage(reference, repository, kept.image, layers)

    def _is_fresh(self, kept: KeptImage) -> bool:
        # A clock that is behind makes nothing older.
        return self.clock() - kept.time <= self.lasting.total_seconds()

    def _shared(self, image: PulledImage) -> PulledImage:
        layers = tuple(
            _CachedLayer(source.layer, source.repository, self, source.open) for source in image.layers
        )
        return replace(image, layers=layers)

    def _warn(self, error: OSError | BuilderError) -> None:
        if not self._warned:
            self._warned = True
            why = described(error) if isinstance(error, OSError) else error
            logger.warning("base images in %s are damaged: %s; registries are asked", self.folder.path, why)


@dataclass(frozen=True, slots=True)
class _CachedLayer:
    """A layer whose blob is in the folder, or else in a registry."""

    layer: Layer
    repository: Repository | None
    bases: CachedBases
    otherwise: Callable[[], BinaryIO]

    def open(self) -> BinaryIO:
        return self.bases.open(self.layer.descriptor) or self.otherwise()


def _of_registry(
    resolve: FindImage, reference: Reference, platform: Platform, layer: Layer
) -> Callable[[], BinaryIO]:
    def open_blob() -> BinaryIO:
        sources = resolve(reference, platform).layers
        return next(source for source in sources if source.layer == layer).open()

    return open_blob


def _name(reference: Reference, platform: Platform) -> str:
    """Name what is looked up: a digest whatever the tag beside it, and a platform."""
    plain = replace(reference, tag=None) if reference.digest else reference
    return f"{plain}+{platform}"


def _listed(image: Image, name: str, now: int) -> Descriptor:
    return Descriptor(
        image.manifest.media_type,
        image.manifest_digest,
        len(image.manifest.format()),
        MappingProxyType({REF_NAME: name, _TIME: str(now)}),
        image.config.platform,
    )
