"""The registry of the tests, that builds pull from and push to; what they pushed is deleted each time."""

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmark.heavy import HEAVY, heavy
from benchmark.toolchain import TOOLCHAIN, toolchain
from support.folders import scratch_folder
from support.pod import mirror


@dataclass(frozen=True, slots=True)
class Registry:
    """The registry; `host` is HOST:PORT, `kept` are the digests that it had before."""

    host: str
    data: Path
    kept: frozenset[str]

    def forget(self, repository: str) -> None:
        """Delete a repository and what nobody had pushed before it."""
        folder = self.data / "repositories" / repository
        kinds = ("_layers", "_manifests/revisions")
        pushed = {link.name for kind in kinds for link in folder.glob(f"{kind}/sha256/*")}
        for digest in pushed - self.kept:
            shutil.rmtree(self.data / "blobs/sha256" / digest[:2] / digest, ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)


def registry(*, with_heavy: bool = False) -> Registry:
    """Return the registry with all base images, made and pushed first where they are missing."""
    host = mirror.running()
    push(toolchain(host), host, TOOLCHAIN)
    if with_heavy:
        push(heavy(mirror.layout("library/debian:bookworm")), host, HEAVY)
    data = scratch_folder() / "mirror/data/docker/registry/v2"
    return Registry(host, data, frozenset(_digests(data)))


def push(layout: Path, host: str, name: str) -> None:
    """Push the image in an OCI layout to a registry over plain HTTP."""
    image = f"docker://{host}/{name}"
    copy = ["skopeo", "copy", "--quiet", "--dest-tls-verify=false", f"oci:{layout}", image]
    subprocess.run(copy, check=True)


def _digests(data: Path) -> Iterator[str]:
    return (blob.name for blob in data.glob("blobs/sha256/*/*"))
