"""Small images for tests."""

import gzip
import io
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from support.clients import plain_client
from yadokari_builder.oci.config import ContainerConfig, History, ImageConfig
from yadokari_builder.oci.descriptor import Descriptor
from yadokari_builder.oci.digest import Digest
from yadokari_builder.oci.image import Image
from yadokari_builder.oci.layer import Layer
from yadokari_builder.oci.media_types import OCI_LAYER_GZIP, OCI_MANIFEST
from yadokari_builder.oci.platform import Platform
from yadokari_builder.oci.reference import Reference
from yadokari_builder.registry.push import Pusher


@dataclass(frozen=True, slots=True)
class FileLayer:
    """A layer whose blob is a file."""

    layer: Layer
    path: str
    repository: None = None

    def open(self) -> BinaryIO:
        return open(self.path, "rb")


@dataclass(frozen=True, slots=True)
class LocalImage:
    """An image whose layers are files."""

    image: Image
    layers: tuple[FileLayer, ...]


def make_image(
    folder: Path,
    *layers: Mapping[str, bytes],
    platform: Platform = Platform("linux", "amd64"),  # noqa: B008
    manifest_type: str = OCI_MANIFEST,
) -> LocalImage:
    """Make an image of one layer for each mapping of names to contents."""
    folder.mkdir(parents=True, exist_ok=True)
    made = tuple(_make_layer(folder / f"{number}.tar.gz", files) for number, files in enumerate(layers))
    config = ImageConfig(
        platform=platform,
        created="2024-05-01T12:00:00Z",
        config=ContainerConfig(env=("PATH=/bin",), cmd=("sh",)),
        diff_ids=tuple(layer.layer.diff_id for layer in made),
        history=tuple(History(created_by=f"layer {number}") for number in range(len(made))),
    )
    return LocalImage(Image.assemble(config, [layer.layer for layer in made], manifest_type), made)


def _make_layer(path: Path, files: Mapping[str, bytes]) -> FileLayer:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    blob = gzip.compress(buffer.getvalue(), compresslevel=1, mtime=0)
    path.write_bytes(blob)
    descriptor = Descriptor(OCI_LAYER_GZIP, Digest.of(blob), len(blob))
    return FileLayer(Layer(descriptor, Digest.of(buffer.getvalue())), str(path))


def push(made: LocalImage, reference: str) -> None:
    """Push an image to a plain-HTTP registry."""
    with plain_client() as client, Pusher(client, [Reference.parse(reference)]) as pusher:
        for layer in made.layers:
            pusher.add_layer(layer)
        pusher.finish(made.image)
