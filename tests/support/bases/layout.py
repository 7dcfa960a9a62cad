"""Writes images as OCI layouts: just enough to make base images without any tool."""

import gzip
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

MEDIA_TYPE = "application/vnd.oci.image."
CHUNK = 1 << 20
MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class Blob:
    """A layer in a layout: digest and size of the gzip stream, digest of the tar in it, what made it."""

    digest: str
    size: int
    diff_id: str
    created_by: str


class _Writable(Protocol):
    def write(self, data: bytes, /) -> int: ...

    def flush(self) -> None: ...


class _Hashing:
    """A file that hashes and counts what is written to it."""

    def __init__(self, file: _Writable) -> None:
        self._file = file
        self._hash = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> int:
        self._hash.update(data)
        self.size += len(data)
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()

    @property
    def digest(self) -> str:
        return f"sha256:{self._hash.hexdigest()}"


def add_layer(layout: Path, tar: IO[bytes], created_by: str) -> Blob:
    """Compress a tar stream into the layout."""
    blobs = _blobs(layout)
    with tempfile.NamedTemporaryFile(dir=blobs, delete=False) as file:
        packed = _Hashing(file)
        with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=6, mtime=0) as stream:
            plain = _Hashing(stream)
            while data := tar.read(CHUNK):
                plain.write(data)
    os.replace(file.name, blobs / packed.digest.removeprefix("sha256:"))
    return Blob(packed.digest, packed.size, plain.digest, created_by)


def borrow_layers(layout: Path, other: Path) -> list[Blob]:
    """Take over the layers of the image in another layout."""
    manifest = json.loads(
        _read(other, json.loads((other / "index.json").read_text())["manifests"][0]["digest"])
    )
    config = json.loads(_read(other, manifest["config"]["digest"]))
    blobs = [
        Blob(layer["digest"], layer["size"], diff_id, step["created_by"])
        for layer, diff_id, step in zip(
            manifest["layers"], config["rootfs"]["diff_ids"], config["history"], strict=True
        )
    ]
    for blob in blobs:
        name = blob.digest.removeprefix("sha256:")
        shutil.copy2(other / "blobs/sha256" / name, _blobs(layout) / name)
    return blobs


def write_image(layout: Path, layers: Sequence[Blob], config: Mapping[str, Any], created: str) -> None:
    """Write config, manifest and index of an image with these layers; `created` is in RFC 3339."""
    image = {
        "created": created,
        "architecture": MACHINES.get(os.uname().machine, os.uname().machine),
        "os": "linux",
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
        "history": [{"created": created, "created_by": layer.created_by} for layer in layers],
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": MEDIA_TYPE + "manifest.v1+json",
        "config": _add_json(layout, "config.v1+json", image),
        "layers": [
            {"mediaType": MEDIA_TYPE + "layer.v1.tar+gzip", "digest": layer.digest, "size": layer.size}
            for layer in layers
        ],
    }
    index = {"schemaVersion": 2, "manifests": [_add_json(layout, "manifest.v1+json", manifest)]}
    (layout / "index.json").write_text(json.dumps(index))
    (layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')


def _add_json(layout: Path, kind: str, value: Mapping[str, Any]) -> dict[str, Any]:
    data = json.dumps(value, separators=(",", ":")).encode()
    digest = hashlib.sha256(data).hexdigest()
    (_blobs(layout) / digest).write_bytes(data)
    return {"mediaType": MEDIA_TYPE + kind, "digest": f"sha256:{digest}", "size": len(data)}


def _read(layout: Path, digest: str) -> bytes:
    return (layout / "blobs/sha256" / digest.removeprefix("sha256:")).read_bytes()


def _blobs(layout: Path) -> Path:
    folder = layout / "blobs/sha256"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
