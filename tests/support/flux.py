"""Sources of Flux as its source-controller keeps them, without that: their definitions are Flux's own."""

import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.programs import flux_definitions

_PLURALS = ("gitrepositories", "ocirepositories", "buckets")


def definitions() -> list[Path]:
    """The files to apply; skips where they are not there."""
    folder = flux_definitions()
    if not folder.exists():
        pytest.skip("Flux's definitions are not there: run tests/setup cluster")
    return [folder / f"source.toolkit.fluxcd.io_{plural}.yaml" for plural in _PLURALS]


@dataclass(frozen=True, slots=True)
class Sources:
    """Git repositories of Flux whose artifacts lie in `folder`, which is served at `url`."""

    kubectl: Callable[..., str]
    folder: Path
    url: str

    def apply(self, name: str) -> None:
        """Make a source that has no artifact yet."""
        resource = {
            "apiVersion": "source.toolkit.fluxcd.io/v1",
            "kind": "GitRepository",
            "metadata": {"name": name},
            "spec": {"url": "https://git.example.com/team/app.git", "interval": "5m"},
        }
        self.kubectl("apply", "-f", "-", input=json.dumps(resource))

    def publish(self, name: str, revision: str, **files: str) -> str:
        """Put an archive of files where source-controller would, and say so as it does; gives its digest."""
        content = _archive({path.replace("_", "."): text for path, text in files.items()})
        place = f"gitrepository/{name}/{revision}.tar.gz"
        path = self.folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        artifact = {
            "path": place,
            "url": f"{self.url}/{place}",
            "digest": digest,
            "revision": f"main@sha1:{revision}",
            "lastUpdateTime": "2026-01-02T03:04:05Z",
            "size": len(content),
        }
        status = {"status": {"artifact": artifact, "observedGeneration": 1}}
        kind = f"gitrepositories.source.toolkit.fluxcd.io/{name}"
        self.kubectl("patch", kind, "--subresource=status", "--type=merge", "-p", json.dumps(status))
        return digest


def _archive(files: dict[str, str]) -> bytes:
    """Pack files as source-controller does: without owners and times."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for path, text in files.items():
            member = tarfile.TarInfo(path)
            member.size = len(text.encode())
            member.mode = 0o644
            archive.addfile(member, io.BytesIO(text.encode()))
    return packed.getvalue()
