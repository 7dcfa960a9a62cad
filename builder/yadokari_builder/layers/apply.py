"""Compressed layers, applied to a root: decompressed, checked and unpacked at the same time."""

from typing import BinaryIO, cast

from yadokari_builder.errors import ImageInvalidError
from yadokari_builder.layers.allowance import Allowance
from yadokari_builder.layers.compression import decompress
from yadokari_builder.layers.fingerprints import Fingerprints
from yadokari_builder.layers.streams import HashingReader, ThreadedReader
from yadokari_builder.layers.tar_reader import Watch
from yadokari_builder.layers.unpack import UnpackReport, unpack, unpack_outline
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
    watch: Watch | None = None,
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
            watch=watch,
        )
    finally:
        ahead.close()
    if archive.hexdigest() != diff_id.hex:
        found = f"{diff_id.algorithm}:{archive.hexdigest()}"
        raise ImageInvalidError(f"a layer's content is {found}, but the image's config says {diff_id}")
    return report


def apply_outline(
    blob: BinaryIO, boundary: Boundary, fingerprints: Fingerprints, allowance: Allowance
) -> UnpackReport:
    """Unpack a layer's names by its outline as it is stored (see `unpack_outline`)."""
    archive = decompress(blob)
    return unpack_outline(archive, boundary, fingerprints=fingerprints, allowance=allowance)
