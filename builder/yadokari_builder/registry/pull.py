"""Pull: from a reference to an image and to its layers."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, TypeVar, cast

from yadokari_builder.errors import BuilderError, ImageInvalidError, ImageNotFoundError
from yadokari_builder.oci import media_types
from yadokari_builder.oci.config import ImageConfig
from yadokari_builder.oci.descriptor import Descriptor
from yadokari_builder.oci.digest import Digest
from yadokari_builder.oci.image import Image
from yadokari_builder.oci.manifest import Index, Manifest, parse_manifest
from yadokari_builder.oci.platform import Platform
from yadokari_builder.oci.reference import Reference, Repository
from yadokari_builder.registry.blob import BlobStream
from yadokari_builder.registry.client import RegistryClient, Request
from yadokari_builder.registry.http.failures import printable
from yadokari_builder.registry.http.transport import Answer, TransportError
from yadokari_builder.registry.mirrors import Mirrors
from yadokari_builder.registry.source import LayerSource, RemoteLayer

logger = logging.getLogger(__name__)

T = TypeVar("T")

MAX_MANIFEST = 4 * 1024 * 1024
MAX_CONFIG = 8 * 1024 * 1024
_MAX_NESTED_INDEXES = 3
_MAX_SHOWN_PLATFORMS = 30
_ACCEPT = ", ".join(sorted(media_types.MANIFESTS | media_types.INDEXES))
_CONFIGS = frozenset({media_types.OCI_CONFIG, media_types.DOCKER_CONFIG, ""})


@dataclass(frozen=True, slots=True)
class PulledImage:
    """An image as a registry holds it: the reference asked for, where it was found, and its layers' blobs."""

    reference: Reference
    repository: Repository
    image: Image
    layers: tuple[LayerSource, ...]


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
        digest, manifest = _Documents(self._client, location.repository).manifest_for(location, platform)
        return Artifact(location.repository, digest, manifest, self._client)

    def _image_at(self, location: Reference, reference: Reference, platform: Platform) -> PulledImage:
        repository = location.repository
        found = _Documents(self._client, repository)
        digest, manifest = found.manifest_for(location, platform)
        image = Image.of(digest, manifest, found.config(manifest.config))
        layers = tuple(RemoteLayer(layer, repository, self._client) for layer in image.layers)
        return PulledImage(reference, repository, image, layers)


class _Documents:
    """The JSON documents of a repository."""

    def __init__(self, client: RegistryClient, repository: Repository) -> None:
        self._client = client
        self._repository = repository

    def manifest_for(self, reference: Reference, platform: Platform) -> tuple[Digest, Manifest]:
        name = str(reference.digest or reference.tag)
        digest, document = self._manifest(name, reference.digest, "")
        for _ in range(_MAX_NESTED_INDEXES):
            if isinstance(document, Manifest):
                return digest, document
            entry = document.select(platform)
            if entry is None:
                raise ImageNotFoundError(_no_such_platform(reference, platform, document))
            digest, document = self._manifest(str(entry.digest), entry.digest, entry.media_type)
        raise ImageInvalidError(f"{reference}: its index leads to more and more indexes")

    def config(self, descriptor: Descriptor) -> ImageConfig:
        if descriptor.media_type not in _CONFIGS:
            raise ImageInvalidError(
                f"{self._repository}: it is not an image but an artifact: {descriptor.media_type[:100]!r}"
            )
        path = f"blobs/{descriptor.digest}"
        data, _ = self._get(path, f"pull config {descriptor.digest}", MAX_CONFIG)
        self._check(data, descriptor.digest, "config")
        try:
            return ImageConfig.parse(data)
        except ImageInvalidError as error:
            raise ImageInvalidError(f"{self._repository}: {error}") from None

    def _manifest(self, name: str, digest: Digest | None, media_type: str) -> tuple[Digest, Manifest | Index]:
        data, answered_type = self._get(f"manifests/{name}", f"pull manifest {name}", MAX_MANIFEST)
        if digest is not None:
            self._check(data, digest, "manifest")
        try:
            return digest or Digest.of(data), parse_manifest(data, media_type or answered_type)
        except ImageInvalidError as error:
            raise ImageInvalidError(f"{self._repository}: manifest {name}: {error}") from None

    def _check(self, data: bytes, digest: Digest, kind: str) -> None:
        hasher = digest.hasher()
        hasher.update(data)
        if hasher.hexdigest() != digest.hex:
            raise ImageInvalidError(
                f"{self._repository}: the {kind} {digest} has another digest: {hasher.hexdigest()}"
            )

    def _get(self, path: str, task: str, limit: int) -> tuple[bytes, str]:
        request = Request(
            method="GET", repository=self._repository, url=path, task=task, headers={"Accept": _ACCEPT}
        )
        return self._client.call(request, lambda answer: (_read_checked(answer, limit), _media_type(answer)))


def _read_checked(answer: Answer, limit: int) -> bytes:
    """Read a document; what a tag does not say of it, the registry does (distribution-spec, "Pull")."""
    data = answer.read(limit)
    said = answer.headers.get("Docker-Content-Digest", "")
    if said.startswith("sha256:") and said != str(Digest.of(data)):
        raise TransportError("the answer's content is not what its digest says", temporary=True)
    return data


def _media_type(answer: Answer) -> str:
    return answer.headers.get("Content-Type", "").partition(";")[0].strip()


def _no_such_platform(reference: Reference, platform: Platform, index: Index) -> str:
    there = sorted({printable(str(entry.platform), 60) for entry in index.images() if entry.platform})
    shown = ", ".join(there[:_MAX_SHOWN_PLATFORMS]) or "no image at all"
    return f"{reference.familiar}: there is no image for {platform}; there is {shown}"
