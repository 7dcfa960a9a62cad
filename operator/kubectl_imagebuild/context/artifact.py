"""A build context in a registry: an image of one layer, which is what `context.oci` reads."""

import gzip
import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_CHUNK = 1 << 20
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
_INDEX = "application/vnd.oci.image.index.v1+json"


@dataclass(frozen=True, slots=True)
class Layout:
    """An OCI layout (image-spec, image-layout.md) of one image, and the digest of its manifest."""

    folder: Path
    digest: str


def write_layout(archive: Path, folder: Path) -> Layout:
    """Make an image of a tar; the same files give the same digest."""
    blobs = folder / "blobs/sha256"
    blobs.mkdir(parents=True)
    packed = folder / "packed"
    # Neither name nor time of the file are to make a difference.
    with (
        open(archive, "rb") as source,
        open(packed, "wb") as target,
        gzip.GzipFile(filename="", fileobj=target, mode="wb", mtime=0) as compressed,
    ):
        shutil.copyfileobj(source, compressed, _CHUNK)
    diff_id, digest = _digest_of(archive), _digest_of(packed)
    layer = {"mediaType": _LAYER, "digest": digest, "size": packed.stat().st_size}
    packed.rename(blobs / digest.removeprefix("sha256:"))
    config = {
        "architecture": "unknown",
        "os": "unknown",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": [diff_id]},
    }
    manifest = _add(
        blobs,
        {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": _add(blobs, config, _CONFIG),
            "layers": [layer],
        },
        _MANIFEST,
    )
    index = {"schemaVersion": 2, "mediaType": _INDEX, "manifests": [manifest]}
    (folder / "index.json").write_text(json.dumps(index))
    (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    return Layout(folder, manifest["digest"])


def _add(blobs: Path, value: Any, media_type: str) -> dict[str, Any]:
    data = json.dumps(value, separators=(",", ":")).encode()
    digest = hashlib.sha256(data).hexdigest()
    (blobs / digest).write_bytes(data)
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)}


def _digest_of(path: Path) -> str:
    with open(path, "rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
