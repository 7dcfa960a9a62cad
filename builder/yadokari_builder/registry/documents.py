"""The JSON documents of a repository: manifests, indexes and configs, each checked against its digest."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from yadokari_builder.errors import ImageInvalidError, ImageNotFoundError, UsageError
from yadokari_builder.oci import media_types
from yadokari_builder.oci.config import ImageConfig
from yadokari_builder.oci.descriptor import Descriptor
from yadokari_builder.oci.digest import Digest
from yadokari_builder.oci.manifest import Index, Manifest, parse_manifest
from yadokari_builder.oci.platform import Platform
from yadokari_builder.oci.reference import Reference, Repository
from yadokari_builder.registry.client import RegistryClient, Request, said_digest
from yadokari_builder.registry.http.failures import printable
from yadokari_builder.registry.http.transport import Answer, TransportError

Config = TypeVar("Config", bound=ImageConfig)

MAX_MANIFEST = 4 * 1024 * 1024
MAX_CONFIG = 8 * 1024 * 1024
_MAX_NESTED_INDEXES = 3
_MAX_SHOWN_PLATFORMS = 30
_IS_IT_RIGHT = "is there such a repository, and such a tag in it?"
_ACCEPT = ", ".join(sorted(media_types.MANIFESTS | media_types.INDEXES))
_CONFIGS = frozenset({media_types.OCI_CONFIG, media_types.DOCKER_CONFIG, ""})


@dataclass(frozen=True, slots=True)
class FoundManifest:
    """A manifest, the bytes that it was read from, and what the name stands for that led to it.

    `named` is the digest of the manifest itself, or that of an index. `sole` is the platform whose only image
    it is in that index, whatever the variant, if it is.
    """

    digest: Digest
    manifest: Manifest
    data: bytes
    named: Digest
    sole: Platform | None = None


class Documents:
    """The documents of a repository; errors are those of `RegistryClient`, and `ImageInvalidError`."""

    def __init__(self, client: RegistryClient, repository: Repository) -> None:
        self._client = client
        self._repository = repository

    def named(self, reference: Reference) -> tuple[Digest, Manifest | Index, bytes]:
        """Return what a name stands for itself, with its digest and the bytes that it was read from."""
        return self._get_manifest(str(reference.digest or reference.tag), reference.digest, "")

    def manifest_for(self, reference: Reference, platform: Platform) -> FoundManifest:
        """Return the manifest that a name stands for on a platform; raises `ImageNotFoundError`, too."""
        named, document, data = self.named(reference)
        digest, sole = named, None
        for depth in range(_MAX_NESTED_INDEXES):
            if isinstance(document, Manifest):
                return FoundManifest(digest, document, data, named, sole)
            entry = document.select(platform)
            if entry is None:
                raise ImageNotFoundError(_no_such_platform(reference, platform, document))
            sole = entry.platform if depth == 0 and document.is_sole(entry) else None
            digest, document, data = self._get_manifest(str(entry.digest), entry.digest, entry.media_type)
        raise ImageInvalidError(f"{reference}: its index leads to more and more indexes")

    def manifest(self, reference: Reference) -> FoundManifest:
        """Return the manifest that a name stands for by itself; raises `UsageError` for an index."""
        digest, document, data = self.named(reference)
        if isinstance(document, Index):
            raise UsageError(
                f"{reference.familiar} is an index, and not an image: name an image of it by its digest;"
                f" there is {_listed(document)}"
            )
        return FoundManifest(digest, document, data, digest)

    def digest(self, reference: Reference) -> Digest:
        """Return what a name points at, without fetching it where the registry says so."""
        name = str(reference.digest or reference.tag)
        request = self._request("HEAD", f"manifests/{name}", f"look for manifest {name}", _IS_IT_RIGHT)
        said = self._client.call(request, said_digest)
        try:
            return reference.digest or Digest.parse(said)
        except ImageInvalidError:
            return self.named(reference)[0]

    def config(self, descriptor: Descriptor, read: Callable[[bytes], Config]) -> Config:
        """Return an image's config as `read` makes it of its bytes."""
        if descriptor.media_type not in _CONFIGS:
            raise ImageInvalidError(
                f"{self._repository}: it is not an image but an artifact: {descriptor.media_type[:100]!r}"
            )
        path = f"blobs/{descriptor.digest}"
        data, _ = self._get(path, f"pull config {descriptor.digest}", MAX_CONFIG)
        self._check(data, descriptor.digest, "config")
        try:
            return read(data)
        except ImageInvalidError as error:
            raise ImageInvalidError(f"{self._repository}: {error}") from None

    def _get_manifest(
        self, name: str, digest: Digest | None, media_type: str
    ) -> tuple[Digest, Manifest | Index, bytes]:
        path = f"manifests/{name}"
        data, answered_type = self._get(path, f"pull manifest {name}", MAX_MANIFEST, _IS_IT_RIGHT)
        if digest is not None:
            self._check(data, digest, "manifest")
        try:
            return digest or Digest.of(data), parse_manifest(data, media_type or answered_type), data
        except ImageInvalidError as error:
            raise ImageInvalidError(f"{self._repository}: manifest {name}: {error}") from None

    def _check(self, data: bytes, digest: Digest, kind: str) -> None:
        hasher = digest.hasher()
        hasher.update(data)
        if hasher.hexdigest() != digest.hex:
            raise ImageInvalidError(
                f"{self._repository}: the {kind} {digest} has another digest: {hasher.hexdigest()}"
            )

    def _get(self, path: str, task: str, limit: int, missing: str = "") -> tuple[bytes, str]:
        request = self._request("GET", path, task, missing)
        return self._client.call(request, lambda answer: (_read_checked(answer, limit), _media_type(answer)))

    def _request(self, method: str, path: str, task: str, missing: str) -> Request:
        return Request(
            method=method,
            repository=self._repository,
            url=path,
            task=task,
            missing=missing,
            headers={"Accept": _ACCEPT},
        )


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


def _listed(index: Index) -> str:
    images = [
        f"{entry.digest} ({printable(str(entry.platform), 60)})" if entry.platform else str(entry.digest)
        for entry in index.images()
    ]
    return ", ".join(images[:_MAX_SHOWN_PLATFORMS]) or "none"
