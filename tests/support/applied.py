"""Layers as they are stored, put into a root as a build puts them there."""

from typing import BinaryIO, cast

from yadokari_builder.layers.archives import decompressing
from yadokari_builder.layers.unpack import UnpackReport, unpack
from yadokari_builder.oci.digest import Digest
from yadokari_builder.rootfs.boundary import Boundary


def apply(blob: BinaryIO, diff_id: Digest, boundary: Boundary) -> UnpackReport:
    """Unpack a layer's blob and check it against its diff ID."""
    with decompressing([blob], [diff_id]) as archives:
        for archive in archives:
            report = unpack(cast(BinaryIO, archive), boundary)
            archive.check()
    return report
