"""Pull: from a reference to an image and to its layers."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, TypeVar, cast

from yadokari_builder.errors import BuilderError
from yadokari_builder.oci.config import ImageConfig
from yadokari_builder.oci.descriptor import Descriptor
from yadokari_builder.oci.digest import Digest
from yadokari_builder.oci.image import Image
from yadokari_builder.oci.manifest import Manifest
from yadokari_builder.oci.platform import Platform
from yadokari_builder.oci.reference import Reference, Repository
from yadokari_builder.oci.verbatim import verbatim_config, verbatim_manifest
from yadokari_builder.registry.blob import BlobStream
from yadokari_builder.registry.client import RegistryClient
from yadokari_builder.registry.documents import Documents, FoundManifest
from yadokari_builder.registry.mirrors import Mirrors
from yadokari_builder.registry.source import LayerSource, RemoteLayer

logger = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PulledImage:
    """An image as a registry holds it: the reference asked for, where it was found, and its layers' blobs.

    `named` is the digest that a registry gave for the reference, where one was asked: that of the image's
    manifest, or of an index that it is in. `sole` is the platform whose only image it is there, whatever the
    variant, if it is.
    """

    reference: Reference
    repository: Repository
    image: Image
    layers: tuple[LayerSource, ...]
    named: Digest | None = None
    sole: Platform | None = None


FindImage = Callable[[Reference, Platform], PulledImage]
"""Asks for an image; raises what `Puller.resolve` does."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """What a registry holds under a name, an image or anything else, and where it was found."""

    repository: Repository
    digest: Digest
    manifest: Manifest
    client: RegistryClient

    def open(self, blob: Descriptor) -> BinaryIO:
        """Open a blob of it as a verified stream (see `BlobStream`)."""
        return cast(BinaryIO, BlobStream(self.client, self.repository, blob))


class Puller:
    """Finds images, in mirrors first.

    What was found once is not asked for again: in one build a tag means one image.
    """

    def __init__(self, client: RegistryClient, mirrors: Mirrors | None = None) -> None:
        self._client = client
        self._mirrors = mirrors or Mirrors()
        self._found: dict[tuple[Reference, Platform], PulledImage] = {}

    def resolve(self, reference: Reference, platform: Platform) -> PulledImage:
        """Return the image for a platform.

        Raises `ImageNotFoundError` where there is none (with what there is instead), `ImageInvalidError`
        where digests or documents are wrong, and `RegistryError` or `UnauthorizedError`.
        """
        key = (reference, platform)
        if key not in self._found:
            logger.info("resolving %s", reference.familiar)
            self._found[key] = self._first(
                reference, lambda location: self._image_at(location, reference, platform)
            )
        return self._found[key]

    def verbatim(self, reference: Reference, platform: Platform | None = None) -> PulledImage:
        """Return an image whose documents are written as they were read, byte for byte.

        Without a platform the name must be that of an image: an index raises `UsageError`, which tells what
        is in it. Otherwise raises what `resolve` does.
        """
        logger.info("resolving %s", reference.familiar)
        return self._first(reference, lambda location: self._verbatim_at(location, reference, platform))

    def digest(self, reference: Reference, platform: Platform | None = None) -> Digest:
        """Return what a name points at: of an index its own digest, or that of a platform's image in it.

        Raises what `resolve` does.
        """
        logger.info("resolving %s", reference.familiar)
        return self._first(reference, lambda location: self._digest_at(location, platform))

    def artifact(self, reference: Reference, platform: Platform) -> Artifact:
        """Return what a name stands for, an image or not; the platform chooses where it is an index.

        Raises what `resolve` does.
        """
        logger.info("resolving %s", reference.familiar)
        return self._first(reference, lambda location: self._artifact_at(location, platform))

    def _first(self, reference: Reference, find: Callable[[Reference], T]) -> T:
        *others, last = self._mirrors.locations(reference)
        for location in others:
            try:
                return find(location)
            except BuilderError as error:
                logger.warning(
                    "mirror %s is left out for %s: %s", location.registry, reference.familiar, error
                )
        return find(last)

    def _artifact_at(self, location: Reference, platform: Platform) -> Artifact:
        found = Documents(self._client, location.repository).manifest_for(location, platform)
        return Artifact(location.repository, found.digest, found.manifest, self._client)

    def _image_at(self, location: Reference, reference: Reference, platform: Platform) -> PulledImage:
        documents = Documents(self._client, location.repository)
        found = documents.manifest_for(location, platform)
        config = documents.config(found.manifest.config, ImageConfig.parse)
        return self._pulled(location, reference, Image.of(found.digest, found.manifest, config), found)

    def _verbatim_at(
        self, location: Reference, reference: Reference, platform: Platform | None
    ) -> PulledImage:
        documents = Documents(self._client, location.repository)
        found = documents.manifest_for(location, platform) if platform else documents.manifest(location)
        manifest = verbatim_manifest(found.manifest, found.data)
        config = documents.config(manifest.config, verbatim_config)
        return self._pulled(location, reference, Image.of(found.digest, manifest, config), found)

    def _digest_at(self, location: Reference, platform: Platform | None) -> Digest:
        documents = Documents(self._client, location.repository)
        return documents.manifest_for(location, platform).digest if platform else documents.digest(location)

    def _pulled(
        self, location: Reference, reference: Reference, image: Image, found: FoundManifest
    ) -> PulledImage:
        layers = tuple(RemoteLayer(layer, location.repository, self._client) for layer in image.layers)
        return PulledImage(reference, location.repository, image, layers, found.named, found.sole)
