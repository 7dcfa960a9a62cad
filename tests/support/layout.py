"""An image in an OCI layout folder, read by means that are not ours (skopeo, tarfile)."""

import gzip
import json
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Layout:
    """The only image of an OCI layout folder."""

    folder: Path

    @classmethod
    def pull(cls, image: str, folder: Path, *, login: str = "") -> "Layout":
        """Copy an image from a plain-HTTP registry; `login` is NAME:PASSWORD."""
        options = ["--src-tls-verify=false", *([f"--src-creds={login}"] if login else [])]
        subprocess.run(["skopeo", "copy", "-q", *options, f"docker://{image}", f"oci:{folder}"], check=True)
        return cls(folder)

    @property
    def digest(self) -> str:
        """The manifest's digest."""
        index = json.loads((self.folder / "index.json").read_text())
        digest: str = index["manifests"][0]["digest"]
        return digest

    @property
    def manifest(self) -> dict[str, Any]:
        """The manifest."""
        manifest: dict[str, Any] = json.loads(self._blob(self.digest).read_text())
        return manifest

    @property
    def config(self) -> dict[str, Any]:
        """The image's config."""
        config: dict[str, Any] = json.loads(self._blob(self.manifest["config"]["digest"]).read_text())
        return config

    def name(self, tag: str) -> None:
        """Give the image a tag, as tools that look for it by one want it."""
        path = self.folder / "index.json"
        index = json.loads(path.read_text())
        index["manifests"][0]["annotations"] = {"org.opencontainers.image.ref.name": tag}
        path.write_text(json.dumps(index))

    def layers(self) -> Iterator[bytes]:
        """Yield the layers' tar archives, from the bottom."""
        return (gzip.decompress(self._blob(digest).read_bytes()) for digest in self.layer_digests)

    @property
    def layer_digests(self) -> list[str]:
        """Digests of the compressed layers, from the bottom."""
        return [layer["digest"] for layer in self.manifest["layers"]]

    def names_in_layers(self, skip: int = 0) -> set[str]:
        """Names of all entries of all layers but the lowest `skip`, without a leading or trailing slash."""
        names: set[str] = set()
        for digest in self.layer_digests[skip:]:
            with gzip.open(self._blob(digest)) as file, tarfile.open(fileobj=file) as archive:
                names |= {member.name.removeprefix("./").strip("/") for member in archive}
        return names

    def _blob(self, digest: str) -> Path:
        algorithm, _, name = digest.partition(":")
        return self.folder / "blobs" / algorithm / name
