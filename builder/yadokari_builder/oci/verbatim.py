"""Documents that are written as they were read, byte for byte, so that their digests stay what they are."""

from dataclasses import dataclass

from yadokari_builder.oci.config import ImageConfig
from yadokari_builder.oci.manifest import Manifest


@dataclass(frozen=True, slots=True)
class VerbatimConfig(ImageConfig):
    """A config that is written as it was read."""

    raw: bytes = b""

    def format(self) -> bytes:
        """Return the very bytes."""
        return self.raw


@dataclass(frozen=True, slots=True)
class VerbatimManifest(Manifest):
    """A manifest that is written as it was read."""

    raw: bytes = b""

    def format(self) -> bytes:
        """Return the very bytes."""
        return self.raw


def verbatim_config(data: bytes) -> VerbatimConfig:
    """Read a config; raises `ImageInvalidError`."""
    read = ImageConfig.parse(data)
    return VerbatimConfig(
        platform=read.platform,
        created=read.created,
        author=read.author,
        config=read.config,
        diff_ids=read.diff_ids,
        history=read.history,
        raw=data,
    )


def verbatim_manifest(read: Manifest, data: bytes) -> VerbatimManifest:
    """Return a manifest with the bytes that it was read from."""
    return VerbatimManifest(read.media_type, read.config, read.layers, read.annotations, raw=data)
