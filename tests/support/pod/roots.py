"""Unpacks images' layers into the folders that pods have below their roots."""

import json
import os
import stat
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.folders import locked, remove_tree, scratch_folder

VOLUMES = ("work", "tmp", "input")
"""Folders of the runtime to mount volumes at."""


@dataclass(frozen=True, slots=True)
class Unpacked:
    """An image's layers as folders for overlayfs, the uppermost first, and how its container starts."""

    folders: list[Path]
    environment: dict[str, str]
    entrypoint: list[str]


def unpacked(layout: Path) -> Unpacked:
    """Return the image in an OCI layout, unpacked where it is not yet."""
    index = json.loads((layout / "index.json").read_text())
    manifest = _read(layout, index["manifests"][0]["digest"])
    config = _read(layout, manifest["config"]["digest"])["config"]
    return Unpacked(
        folders=[_folder(_blob(layout, layer["digest"])) for layer in reversed(manifest["layers"])],
        environment=dict(entry.split("=", 1) for entry in config.get("Env") or ()),
        entrypoint=config.get("Entrypoint") or config.get("Cmd") or [],
    )


def runtime(folders: Sequence[Path]) -> Path:
    """Return the executor's own files in a folder of their own, as `copy-runtime` lays them out."""
    shared = scratch_folder() / "runtimes"
    shared.mkdir(exist_ok=True)
    made = shared / "-".join(folder.name for folder in folders)
    with locked(shared / "lock"):
        if not made.exists():
            part = made.with_name(f"part-{made.name}")
            remove_tree(part)
            for folder in reversed(folders):
                if (folder / "yadokari").is_dir():
                    subprocess.run(["cp", "-rlT", folder / "yadokari", part], check=True)
            for name in VOLUMES:
                remove_tree(part / name)
                (part / name).mkdir()
            part.rename(made)
    return made


def _folder(blob: Path) -> Path:
    layers = scratch_folder() / "layers"
    layers.mkdir(exist_ok=True)
    folder = layers / blob.name[:16]
    if not folder.exists():
        with locked(layers / "lock"):
            if not folder.exists():
                _unpack(blob, folder)
    return folder


def _unpack(blob: Path, folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="part-") as part:
        tree = Path(part, "tree")
        tree.mkdir()
        tree.chmod(0o755)
        options = ["--numeric-owner", "--xattrs", "--xattrs-include=*"]
        subprocess.run(["tar", "-xf", blob, *options, "-C", tree], check=True)
        for parent, _, names in os.walk(tree, topdown=False):
            # As runtimes unpack: with no time of access but that of change.
            os.utime(parent, ns=(os.lstat(parent).st_mtime_ns,) * 2)
            for name in filter(lambda name: name.startswith(".wh."), names):
                _mark(Path(parent, name))
        tree.rename(folder)


def _mark(whiteout: Path) -> None:
    """Turn a layer's whiteout into the mark that overlayfs knows."""
    whiteout.unlink()
    if whiteout.name == ".wh..wh..opq":
        os.setxattr(whiteout.parent, "trusted.overlay.opaque", b"y")
    else:
        hidden = whiteout.with_name(whiteout.name.removeprefix(".wh."))
        os.mknod(hidden, stat.S_IFCHR, os.makedev(0, 0))


def _read(layout: Path, digest: str) -> Any:
    return json.loads(_blob(layout, digest).read_text())


def _blob(layout: Path, digest: str) -> Path:
    return layout / "blobs/sha256" / digest.removeprefix("sha256:")
