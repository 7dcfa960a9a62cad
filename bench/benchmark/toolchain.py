"""The large base image: made once and kept in the cache."""

import hashlib
import sys
import tempfile
from pathlib import Path

from benchmark.buildah import buildah
from support.folders import cache_folder, locked, scratch_folder

TOOLCHAIN = "bench/toolchain:latest"
_RECIPE = Path(__file__).resolve().parents[1] / "bases/toolchain.Dockerfile"


def toolchain(registry: str) -> Path:
    """Return the OCI layout of the image; its own base is taken from a registry at HOST:PORT."""
    folder = cache_folder() / "bench"
    folder.mkdir(exist_ok=True)
    key = hashlib.sha256(_RECIPE.read_bytes()).hexdigest()[:16]
    layout = folder / f"toolchain-{key}"
    with locked(folder / "lock"):
        if not layout.exists():
            _make(layout, registry)
    return layout


def _make(layout: Path, registry: str) -> None:
    print("bench: making the large base image, about 60 s", file=sys.stderr, flush=True)
    with (
        tempfile.TemporaryDirectory(dir=layout.parent, prefix="part-") as part,
        tempfile.TemporaryDirectory(dir=scratch_folder(), prefix="bench-") as work,
    ):
        options = ["--network=host", f"--file={_RECIPE}", "--tag=toolchain"]
        build = buildah(Path(work), registry)
        build.run("bud", "--isolation=chroot", "--layers=false", *options, work)
        build.run("push", "localhost/toolchain", f"oci:{part}/image:latest")
        Path(part, "image").rename(layout)
