"""Images: a manifest together with its config."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from yadokari_builder.errors import ImageInvalidError
from yadokari_builder.oci import media_types
from yadokari_builder.oci.config import ImageConfig
from yadokari_builder.oci.descriptor import Descriptor
from yadokari_builder.oci.digest import Digest
from yadokari_builder.oci.layer import Layer
from yadokari_builder.oci.manifest import Manifest


@dataclass(frozen=True, slots=True)
class Image:
    """An image for one platform; `layers` go from bottom to top."""

    manifest_digest: Digest
    manifest: Manifest
    config: ImageConfig
    layers: tuple[Layer, ...]

    @classmethod
    def of(cls, manifest_digest: Digest, manifest: Manifest, config: ImageConfig) -> "Image":
        """Join a manifest and its config; raises `ImageInvalidError` if their layers do not fit together."""
        if len(manifest.layers) != len(config.diff_ids):
            raise ImageInvalidError(
                f"image {manifest_digest}: its manifest has {len(manifest.layers)} layers,"
                f" its config {len(config.diff_ids)} diff IDs"
            )
        layers = tuple(map(Layer, manifest.layers, config.diff_ids))
        return cls(manifest_digest, manifest, config, layers)

    @classmethod
    def assemble(
        cls,
        config: ImageConfig,
        layers: Iterable[Layer],
        manifest_type: str,
        annotations: Mapping[str, str] = MappingProxyType({}),
    ) -> "Image":
        """Make an image of its parts; `manifest_type` is OCI's or Docker's, and all parts follow it.

        `annotations` are the manifest's.

        The config's blob is `config.format()`, the manifest's `manifest.format()`.
        """
        convert = media_types.as_oci if media_types.is_oci(manifest_type) else media_types.as_docker
        kept = tuple(replace(layer, descriptor=_bare(layer.descriptor, convert)) for layer in layers)
        blob = config.format()
        manifest = Manifest(
            manifest_type,
            Descriptor(convert(media_types.OCI_CONFIG), Digest.of(blob), len(blob)),
            tuple(layer.descriptor for layer in kept),
            annotations,
        )
        return cls.of(Digest.of(manifest.format()), manifest, config)


def manifest_type_on(base: Image | None) -> str:
    """Return the type of manifest for an image on `base`: the base's own kind, OCI's on scratch."""
    if base is None or media_types.is_oci(base.manifest.media_type):
        return media_types.OCI_MANIFEST
    return media_types.DOCKER_MANIFEST


def _bare(descriptor: Descriptor, convert: Callable[[str], str]) -> Descriptor:
    """Keep of a layer's descriptor what any registry understands: annotations are the base's own affair.

    Places to get it from belong to layers that are not pushed; with them registries refuse any other.
    """
    return replace(
        descriptor,
        media_type=convert(descriptor.media_type),
        annotations=MappingProxyType({}),
        platform=None,
        urls=descriptor.urls if descriptor.media_type in media_types.FOREIGN_LAYERS else (),
    )
