"""Descriptors: what a content is, its digest and its size (image-spec, descriptor.md)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from yadokari_builder.errors import ImageInvalidError
from yadokari_builder.oci.digest import Digest
from yadokari_builder.oci.fields import Fields, present
from yadokari_builder.oci.platform import Platform


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A reference to a content by its digest; `size` in bytes."""

    media_type: str
    digest: Digest
    size: int
    annotations: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    platform: Platform | None = None
    urls: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.size < 0:
            raise ImageInvalidError(f"{self.digest}: its size is negative")

    @classmethod
    def parse(cls, fields: Fields) -> "Descriptor":
        """Read a descriptor's JSON object."""
        if "digest" not in fields:
            fields.fail("digest", "is missing")
        return cls(
            fields.text("mediaType"),
            Digest.parse(fields.text("digest")),
            fields.number("size"),
            MappingProxyType(fields.text_map("annotations")),
            parse_platform(fields.object("platform")) if "platform" in fields else None,
            fields.texts("urls"),
        )

    def format(self) -> dict[str, object]:
        """Return the JSON object, in the order of Go's struct."""
        return {
            "mediaType": self.media_type,
            "digest": str(self.digest),
            "size": self.size,
            **present(
                urls=list(self.urls),
                annotations=dict(sorted(self.annotations.items())),
                platform=format_platform(self.platform) if self.platform else None,
            ),
        }


def parse_platform(fields: Fields) -> Platform:
    """Read the platform's fields of a descriptor or of an image's config."""
    return Platform(
        fields.text("os"),
        fields.text("architecture"),
        fields.text("variant"),
        fields.text("os.version"),
        fields.texts("os.features"),
    )


def format_platform(platform: Platform) -> dict[str, object]:
    """Return a platform's JSON fields, in the order of Go's struct."""
    optional = {
        "os.version": platform.os_version,
        "os.features": list(platform.os_features),
        "variant": platform.variant,
    }
    return {"architecture": platform.architecture, "os": platform.os, **present(**optional)}
