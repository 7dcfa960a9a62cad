"""Manifests and indexes, OCI's and Docker's (image-spec, manifest.md and image-index.md)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from yadokari_builder.errors import ImageInvalidError
from yadokari_builder.oci import media_types
from yadokari_builder.oci.descriptor import Descriptor
from yadokari_builder.oci.fields import Fields, format_json, parse_object
from yadokari_builder.oci.platform import Platform

_ATTESTATION = "vnd.docker.reference.type"


@dataclass(frozen=True, slots=True)
class Manifest:
    """An image for one platform: its config and its layers, from bottom to top."""

    media_type: str
    config: Descriptor
    layers: tuple[Descriptor, ...]
    annotations: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @classmethod
    def parse(cls, data: bytes, media_type: str) -> "Manifest":
        """Read a manifest; raises `ImageInvalidError`, also where it is an index."""
        parsed = parse_manifest(data, media_type)
        if not isinstance(parsed, cls):
            raise ImageInvalidError("an image manifest is wanted here, not an index")
        return parsed

    def format(self) -> bytes:
        """Write the manifest as BuildKit does."""
        values: dict[str, object] = {
            "schemaVersion": 2,
            "mediaType": self.media_type,
            "config": self.config.format(),
            "layers": [layer.format() for layer in self.layers],
        }
        if self.annotations:
            values["annotations"] = dict(sorted(self.annotations.items()))
        return format_json(values, indent=2)


@dataclass(frozen=True, slots=True)
class Index:
    """Manifests of one image for several platforms."""

    media_type: str
    manifests: tuple[Descriptor, ...]
    annotations: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @classmethod
    def parse(cls, data: bytes, media_type: str) -> "Index":
        """Read an index or manifest list; raises `ImageInvalidError`, also where it is a manifest."""
        parsed = parse_manifest(data, media_type)
        if not isinstance(parsed, cls):
            raise ImageInvalidError("an image index is wanted here, not a manifest")
        return parsed

    def format(self) -> bytes:
        """Write the index as BuildKit does."""
        manifests = [manifest.format() for manifest in self.manifests]
        values: dict[str, object] = {
            "schemaVersion": 2,
            "mediaType": self.media_type,
            "manifests": manifests,
        }
        if self.annotations:
            values["annotations"] = dict(sorted(self.annotations.items()))
        return format_json(values, indent=2)

    def images(self) -> tuple[Descriptor, ...]:
        """Return the entries that are images: attestations and the like are left out."""
        return tuple(entry for entry in self.manifests if not _is_attestation(entry))

    def select(self, platform: Platform) -> Descriptor | None:
        """Return the entry that suits `platform` best, the first of equals; None if there is none.

        An entry that names no platform suits any, after those that do.
        """
        ranked = [(_rank(entry, platform), entry) for entry in self.images()]
        suitable = [(rank, entry) for rank, entry in ranked if rank is not None]
        return min(suitable, key=lambda pair: pair[0])[1] if suitable else None

    def is_sole(self, entry: Descriptor) -> bool:
        """Tell whether an entry is the only one for its operating system and architecture, of any variant.

        Whoever runs that architecture can then take no other one.
        """
        return [it for it in self.images() if _may_replace(it.platform, entry.platform)] == [entry]


def _may_replace(one: Platform | None, other: Platform | None) -> bool:
    if one is None or other is None:
        return True
    return (one.os, one.architecture) == (other.os, other.architecture)


def parse_manifest(data: bytes, media_type: str = "") -> Manifest | Index:
    """Read what a registry answers for a tag or a digest.

    `media_type` is what the registry or a descriptor says it is ("" or any other type: its content decides).
    A content that says otherwise, or could be read as either, raises `ImageInvalidError`: signatures over it
    would not mean one thing (CVE-2021-41190).
    """
    fields = parse_object(data, "manifest")
    media_type = _agreed_type(fields, media_type)
    if media_type in media_types.INDEXES:
        if "layers" in fields or "config" in fields:
            fields.fail("manifests", "stands beside a config or layers: it could be read as either")
        return Index(
            media_type,
            tuple(map(Descriptor.parse, fields.objects("manifests"))),
            MappingProxyType(fields.text_map("annotations")),
        )
    if "manifests" in fields:
        fields.fail("manifests", "stands in an image manifest: it could be read as either")
    if "config" not in fields:
        fields.fail("config", "is missing")
    return Manifest(
        media_type,
        Descriptor.parse(fields.object("config")),
        tuple(map(Descriptor.parse, fields.objects("layers"))),
        MappingProxyType(fields.text_map("annotations")),
    )


def _agreed_type(fields: Fields, outer: str) -> str:
    inner = fields.text("mediaType")
    known = media_types.MANIFESTS | media_types.INDEXES
    if fields.number("schemaVersion") == 1 or {inner, outer} & media_types.SCHEMA1:
        raise ImageInvalidError(
            "the manifest is of Docker's schema 1, which has not been supported for years:"
            " pull the image with a current tool and push it again"
        )
    if inner and outer in known and inner != outer:
        fields.fail("mediaType", f"is {inner[:100]!r}, but it was announced as {outer}")
    media_type = inner or (outer if outer in known else _guessed_type(fields))
    if media_type not in known:
        fields.fail("mediaType", f"is {media_type[:100]!r}: neither an image manifest nor an index")
    return media_type


def _guessed_type(fields: Fields) -> str:
    return media_types.OCI_INDEX if "manifests" in fields else media_types.OCI_MANIFEST


def _is_attestation(entry: Descriptor) -> bool:
    unknown = entry.platform is not None and entry.platform.os == entry.platform.architecture == "unknown"
    return unknown or _ATTESTATION in entry.annotations


def _rank(entry: Descriptor, platform: Platform) -> int | None:
    return 1000 if entry.platform is None else platform.preference(entry.platform)
