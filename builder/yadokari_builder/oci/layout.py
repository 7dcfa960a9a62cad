"""What lies where in an OCI layout (image-spec, image-layout.md)."""

from yadokari_builder.oci.digest import Digest

INDEX = "index.json"
MARKER = "oci-layout"
VERSION = b'{"imageLayoutVersion":"1.0.0"}'
"""What `MARKER` holds."""
REF_NAME = "org.opencontainers.image.ref.name"
"""The annotation that names what an index lists."""


def blob_path(digest: Digest) -> str:
    """Tell where a blob lies in the layout's folder."""
    return f"blobs/{digest.algorithm}/{digest.hex}"
