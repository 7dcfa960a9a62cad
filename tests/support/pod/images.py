"""Builds our images, each when what it is made of has changed, and keeps them as OCI layouts."""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from support.folders import cache_folder, locked, scratch_folder
from support.pod import mirror

PROJECT = Path(__file__).resolve().parents[3]
CERTIFICATES = Path("/usr/local/share/ca-certificates")
_LAYERS_KEPT = 500
_LAYOUTS_KEPT = 3
_KEPT_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class Recipe:
    """How an image is built: Dockerfile, target, the sources that go into it, seconds of a first build."""

    dockerfile: str
    target: str
    sources: tuple[str, ...]
    seconds: int


_EXECUTOR_SOURCES = ("builder", "uv.lock", ".dockerignore")
RECIPES = {
    "executor": Recipe("Dockerfile.executor", "executor", _EXECUTOR_SOURCES, 40),
    "debug": Recipe("Dockerfile.executor", "debug", _EXECUTOR_SOURCES, 5),
    "operator": Recipe(
        "Dockerfile.operator",
        "operator",
        ("operator", "builder/yadokari_contract", *_EXECUTOR_SOURCES[1:]),
        60,
    ),
}


def built(name: str) -> Path:
    """Return the OCI layout of the image, that is built first if its sources have changed.

    Layers in it are not compressed. Raises `RuntimeError` with the end of the log if the build fails.
    """
    folder = cache_folder() / "images"
    folder.mkdir(exist_ok=True)
    layout = folder / f"{name}-{_key(RECIPES[name])}"
    if not layout.exists():
        with locked(folder / "lock"):
            if not layout.exists():
                _build(name, layout)
    return layout


def _build(name: str, layout: Path) -> None:
    recipe = RECIPES[name]
    base = mirror.running()
    print(f"images: building {name}; the first time this takes about {recipe.seconds} s", file=sys.stderr)
    with tempfile.TemporaryDirectory(dir=layout.parent, prefix="part-") as part:
        store = _store()
        _buildah(
            store, "build", "--isolation=chroot", "--network=host", "--layers", "--tls-verify=false",
            f"--build-arg=BASE={base}/library/debian:bookworm", "--build-arg=EXTRA_CA",
            f"--target={recipe.target}", f"--tag=yadokari/{name}", f"--file={recipe.dockerfile}", ".",
        )  # fmt: skip
        _buildah(
            store, "push", "--disable-compression", f"localhost/yadokari/{name}", f"oci:{part}/image:latest"
        )
        Path(part, "image").rename(layout)
    # One of before may be in use still, by another checkout.
    for old in sorted(layout.parent.glob(f"{name}-*"), key=os.path.getmtime)[:-_LAYOUTS_KEPT]:
        if time.time() - os.path.getmtime(old) > _KEPT_SECONDS:
            shutil.rmtree(old)


def _store() -> Path:
    """Return buildah's store; layers of builds of before speed up the next, but do not pile up for ever."""
    store = scratch_folder() / "buildah"
    if len(list(store.glob("overlay/*"))) > _LAYERS_KEPT:
        shutil.rmtree(store)
    return store


def _buildah(store: Path, *arguments: str) -> None:
    """Run buildah on our store; what it mounts is seen by itself alone and gone when it ends."""
    with tempfile.TemporaryDirectory(dir=scratch_folder(), prefix="buildah-") as temporary:
        done = subprocess.run(
            [
                *("unshare", "--mount", "--propagation", "private", "buildah", "--storage-driver=overlay"),
                *(f"--root={store}", f"--runroot={temporary}/run", *arguments),
            ],
            cwd=PROJECT,
            env=os.environ | {"EXTRA_CA": extra_certificates(), "TMPDIR": temporary},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
    if done.returncode:
        sys.stderr.write(done.stdout[-6000:])
        raise RuntimeError(f"buildah {arguments[0]} failed with exit code {done.returncode}; see above")


def extra_certificates() -> str:
    """Return the CAs that this machine trusts beyond its distribution's: its network may need them."""
    return "".join(path.read_text() for path in sorted(CERTIFICATES.glob("**/*.crt")))


def _key(recipe: Recipe) -> str:
    """Return a name for what the image is made of."""
    total = hashlib.sha256(extra_certificates().encode())
    for path in _files(recipe):
        data = hashlib.sha256(path.read_bytes()).hexdigest()
        total.update(f"{path.relative_to(PROJECT)}\0{data}\0".encode())
    return total.hexdigest()[:16]


def _files(recipe: Recipe) -> Iterator[Path]:
    for source in (recipe.dockerfile, *recipe.sources):
        path = PROJECT / source
        if path.is_dir():
            yield from (file for file in sorted(path.rglob("*.py")))
        elif path.exists():
            yield path
