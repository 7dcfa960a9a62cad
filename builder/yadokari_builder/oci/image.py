"""Images: a manifest together with its config."""

from dataclasses import dataclass

from yadokari_builder.errors import ImageInvalidError

from .config import ImageConfig
from .digest import Digest
from .layer import Layer
from .manifest import Manifest


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
