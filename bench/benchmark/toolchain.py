"""The large base image: made once and kept in the cache."""

import tempfile
from functools import partial
from pathlib import Path

from benchmark.buildah import buildah
from benchmark.kept import kept
from support.folders import scratch_folder

TOOLCHAIN = "bench/toolchain:latest"
_RECIPE = Path(__file__).resolve().parents[1] / "bases/toolchain.Dockerfile"


def toolchain(registry: str) -> Path:
    """Return the OCI layout of the image; its own base is taken from a registry at HOST:PORT."""
    return kept("toolchain", _RECIPE.read_bytes(), "the large base image", partial(_make, registry=registry))


def _make(folder: Path, registry: str) -> None:
    with tempfile.TemporaryDirectory(dir=scratch_folder(), prefix="bench-") as work:
        options = ["--network=host", f"--file={_RECIPE}", "--tag=toolchain"]
        build = buildah(Path(work), registry)
        build.run("bud", "--isolation=chroot", "--layers=false", *options, work)
        build.run("push", "localhost/toolchain", f"oci:{folder}/image:latest")
