"""A base image of 3 GB in 100,000 files: made once and kept in the cache."""

import gzip
import hashlib
import io
import json
import tarfile
from functools import partial
from pathlib import Path
from typing import Any

from benchmark.kept import kept

HEAVY = "bench/heavy:latest"
_FILES, _SIZE, _IN_A_FOLDER = 100_000, 30_000, 100
_CONTENT = " ".join(f"{word}{number}" for number in range(900) for word in ("crab", "shell", "tide")).encode()


def heavy(debian: Path) -> Path:
    """Return the OCI layout of the image: one layer on top of those of another layout, which has a shell."""
    recipe = Path(__file__).read_bytes() + (debian / "index.json").read_bytes()
    return kept("heavy", recipe, "the base image of 3 GB", partial(_make, debian=debian))


def _make(folder: Path, debian: Path) -> None:
    _copy(debian, folder / "image")
    _add_layer(folder / "image")


def _copy(layout: Path, made: Path) -> None:
    for path in filter(Path.is_file, layout.rglob("*")):
        target = made / path.relative_to(layout)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())


def _add_layer(layout: Path) -> None:
    blobs = layout / "blobs/sha256"
    diff_id, layer = _write_layer(blobs)
    index = json.loads((layout / "index.json").read_text())
    manifest = json.loads((blobs / index["manifests"][0]["digest"][7:]).read_text())
    config = json.loads((blobs / manifest["config"]["digest"][7:]).read_text())
    config["rootfs"]["diff_ids"].append(diff_id)
    config["history"].append({"created_by": "bench"})
    manifest["layers"].append(layer)
    manifest["config"] |= _write(blobs, config)
    index["manifests"][0] |= _write(blobs, manifest)
    (layout / "index.json").write_text(json.dumps(index))


def _write(blobs: Path, value: Any) -> dict[str, Any]:
    data = json.dumps(value).encode()
    digest = hashlib.sha256(data).hexdigest()
    (blobs / digest).write_bytes(data)
    return {"digest": f"sha256:{digest}", "size": len(data)}


def _write_layer(blobs: Path) -> tuple[str, dict[str, Any]]:
    """Write the layer; returns its diff ID and its descriptor."""
    part = blobs / "part"
    with part.open("wb") as file, gzip.GzipFile(fileobj=file, mode="wb", compresslevel=1, mtime=0) as packed:
        whole = hashlib.sha256()
        for number in range(_FILES):
            if number % _IN_A_FOLDER == 0:
                _put(_entry(f"heavy/{number // _IN_A_FOLDER}", tarfile.DIRTYPE, 0o755), b"", packed, whole)
            content = (f"{number} ".encode() + _CONTENT * 2)[:_SIZE]
            entry = _entry(f"heavy/{number // _IN_A_FOLDER}/{number}", tarfile.REGTYPE, 0o644)
            entry.size = len(content)
            _put(entry, content, packed, whole)
        end = bytes(2 * tarfile.BLOCKSIZE)
        packed.write(end)
        whole.update(end)
    data = part.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    part.rename(blobs / digest)
    kind = "application/vnd.oci.image.layer.v1.tar+gzip"
    descriptor = {"mediaType": kind, "digest": f"sha256:{digest}", "size": len(data)}
    return f"sha256:{whole.hexdigest()}", descriptor


def _entry(name: str, kind: bytes, mode: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode, entry.mtime = kind, mode, 1_000_000_000
    return entry


def _put(entry: tarfile.TarInfo, content: bytes, packed: io.BufferedIOBase, whole: Any) -> None:
    padded = content + bytes(-len(content) % tarfile.BLOCKSIZE)
    for data in (entry.tobuf(), padded):
        packed.write(data)
        whole.update(data)
