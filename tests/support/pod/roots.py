"""Unpacks images into folders that pods have below their roots."""

import json
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.folders import locked, scratch_folder


@dataclass(frozen=True, slots=True)
class Unpacked:
    """An image's file system and how its container starts."""

    root: Path
    environment: dict[str, str]
    entrypoint: list[str]


def unpacked(layout: Path) -> Unpacked:
    """Return the image in an OCI layout, unpacked if it is not yet."""
    index = json.loads((layout / "index.json").read_text())
    digest = index["manifests"][0]["digest"]
    folder = scratch_folder() / "roots"
    folder.mkdir(exist_ok=True)
    root = folder / digest.removeprefix("sha256:")[:16]
    manifest = _read(layout, digest)
    if not root.exists():
        with locked(folder / "lock"):
            if not root.exists():
                _unpack(layout, manifest, root)
    config = _read(layout, manifest["config"]["digest"])["config"]
    environment = dict(entry.split("=", 1) for entry in config.get("Env") or ())
    return Unpacked(root, environment, config.get("Entrypoint") or config.get("Cmd") or [])


def _unpack(layout: Path, manifest: dict[str, Any], root: Path) -> None:
    with tempfile.TemporaryDirectory(dir=root.parent, prefix="part-") as part:
        tree = Path(part, "root")
        tree.mkdir()
        tree.chmod(0o755)
        for layer in manifest["layers"]:
            _apply(_blob(layout, layer["digest"]), tree)
        tree.rename(root)


def _apply(archive: Path, tree: Path) -> None:
    names = subprocess.run(["tar", "-taf", archive], capture_output=True, text=True, check=True).stdout
    for name in names.splitlines():
        folder, _, last = name.rpartition("/")
        if last == ".wh..wh..opq":
            shutil.rmtree(tree / folder, ignore_errors=True)
        elif last.startswith(".wh."):
            _remove(tree / folder / last.removeprefix(".wh."))
    options = ["--numeric-owner", "--xattrs", "--xattrs-include=*", "--exclude=.wh.*", "--wildcards"]
    subprocess.run(["tar", "-xf", archive, *options, "-C", tree], check=True)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _read(layout: Path, digest: str) -> Any:
    return json.loads(_blob(layout, digest).read_text())


def _blob(layout: Path, digest: str) -> Path:
    return layout / "blobs/sha256" / digest.removeprefix("sha256:")
