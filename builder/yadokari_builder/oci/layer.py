"""Layers: changes to a file system, as a tar archive (image-spec, layer.md)."""

from dataclasses import dataclass

from yadokari_builder.oci.descriptor import Descriptor
from yadokari_builder.oci.digest import Digest


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer: its blob as stored (compressed), and the digest of its uncompressed archive."""

    descriptor: Descriptor
    diff_id: Digest
