"""Compressed layers, applied to a root: decompressed, checked and unpacked at the same time."""

from typing import BinaryIO, cast

from yadokari_builder.errors import ImageInvalidError
from yadokari_builder.layers.allowance import Allowance
from yadokari_builder.layers.compression import decompress
from yadokari_builder.layers.fingerprints import Fingerprints
from yadokari_builder.layers.streams import HashingReader, ThreadedReader
from yadokari_builder.layers.unpack import UnpackReport, unpack
from yadokari_builder.oci.digest import Digest
from yadokari_builder.rootfs.boundary import Boundary


def apply(
    blob: BinaryIO,
    diff_id: Digest,
    boundary: Boundary,
    *,
    names_only: bool = False,
    fingerprints: Fingerprints | None = None,
    allowance: Allowance | None = None,
) -> UnpackReport:
    """Unpack a layer as it is stored, gzip, zstd or plain, and check it against its diff ID (see `unpack`).

    Reading, decompression and hashing run in a thread of their own. The root holds the layer's files already
    when ImageInvalidError tells that the diff ID is another.
    """
    archive = HashingReader(decompress(blob), diff_id.hasher())
    ahead = ThreadedReader(archive)
    try:
        report = unpack(
            cast(BinaryIO, ahead),
            boundary,
            names_only=names_only,
            fingerprints=fingerprints,
            allowance=allowance,
        )
    finally:
        ahead.close()
    if archive.hexdigest() != diff_id.hex:
        found = f"{diff_id.algorithm}:{archive.hexdigest()}"
        raise ImageInvalidError(f"a layer's content is {found}, but the image's config says {diff_id}")
    return report
