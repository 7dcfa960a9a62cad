"""Images as files: OCI layout, Docker archive, digest.

Blobs are streamed, and every file appears under its name when it is complete.
"""

import json
import os
import shutil
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from io import BytesIO
from typing import BinaryIO

from yadokari_builder.errors import BuilderError, described
from yadokari_builder.oci.descriptor import Descriptor
from yadokari_builder.oci.digest import Digest
from yadokari_builder.oci.image import Image
from yadokari_builder.oci.manifest import Index
from yadokari_builder.oci.media_types import FOREIGN_LAYERS, OCI_INDEX
from yadokari_builder.oci.reference import Reference
from yadokari_builder.registry.source import LayerSource

_CHUNK = 1024 * 1024
_WORKERS = 4
_SUFFIXES = {"gzip": ".tar.gz", "zstd": ".tar.zst"}


def write_oci_layout(
    path: str, image: Image, layers: Sequence[LayerSource], destinations: Sequence[Reference]
) -> None:
    """Write an image as an OCI layout (image-spec, image-layout.md) into the folder `path`.

    What `index.json` named there before is forgotten; the first destination becomes the image's name in it.
    """
    os.makedirs(os.path.join(path, "blobs", "sha256"), exist_ok=True)
    with ThreadPoolExecutor(_WORKERS, "output") as pool:
        list(pool.map(lambda layer: _write_layer(path, layer), _distinct(layers)))
    config, manifest = image.config.format(), image.manifest.format()
    _write_blob(path, image.manifest.config.digest, BytesIO(config))
    _write_blob(path, image.manifest_digest, BytesIO(manifest))
    entry = Descriptor(
        image.manifest.media_type,
        image.manifest_digest,
        len(manifest),
        _names(destinations),
        image.config.platform,
    )
    _write(os.path.join(path, "oci-layout"), b'{"imageLayoutVersion":"1.0.0"}')
    _write(os.path.join(path, "index.json"), Index(OCI_INDEX, (entry,)).format())


def write_docker_archive(
    path: str, image: Image, layers: Sequence[LayerSource], destinations: Sequence[Reference]
) -> None:
    """Write an image as the tar file that `docker load` reads, named by all destinations."""
    names = {layer.layer.descriptor.digest: _archive_name(layer.layer.descriptor) for layer in layers}
    config = f"{image.manifest.config.digest.hex}.json"
    entry = {
        "Config": config,
        "RepoTags": [destination.familiar for destination in destinations if destination.digest is None],
        "Layers": [names[layer.digest] for layer in image.manifest.layers],
    }
    with _completed(path) as file, tarfile.TarFile(fileobj=file, mode="w", copybufsize=_CHUNK) as archive:
        _add(archive, config, BytesIO(image.config.format()), image.manifest.config.size)
        for layer in _distinct(layers):
            with layer.open() as blob:
                descriptor = layer.layer.descriptor
                _add(archive, names[descriptor.digest], blob, descriptor.size)
        listing = json.dumps([entry]).encode()
        _add(archive, "manifest.json", BytesIO(listing), len(listing))


def write_digest(path: str, digest: Digest) -> None:
    """Write a digest as text without a line's end.

    The file is written in place: it may be one that is mounted, such as /dev/termination-log.
    """
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with open(path, "w", encoding="ascii") as file:
        file.write(str(digest))


@contextmanager
def naming(flag: str, path: str) -> Iterator[None]:
    """Say which output it is that cannot be written: an `OSError` becomes a `BuilderError`."""
    try:
        yield
    except OSError as error:
        raise BuilderError(f"{flag} {path} cannot be written: {described(error)}") from error


def _distinct(layers: Sequence[LayerSource]) -> Iterator[LayerSource]:
    """Return each blob once; foreign layers are never kept with an image."""
    by_digest = {layer.layer.descriptor.digest: layer for layer in layers}
    return (layer for layer in by_digest.values() if layer.layer.descriptor.media_type not in FOREIGN_LAYERS)


def _names(destinations: Sequence[Reference]) -> Mapping[str, str]:
    """Name an image as BuildKit does: the tag for any tool, the whole name for containerd's."""
    if not destinations:
        return {}
    first = destinations[0]
    return {
        "io.containerd.image.name": str(first),
        "org.opencontainers.image.ref.name": first.tag or str(first.digest),
    }


def _write_layer(folder: str, layer: LayerSource) -> None:
    with layer.open() as blob:
        _write_blob(folder, layer.layer.descriptor.digest, blob)


def _write_blob(folder: str, digest: Digest, blob: BinaryIO) -> None:
    with _completed(os.path.join(folder, "blobs", digest.algorithm, digest.hex)) as file:
        shutil.copyfileobj(blob, file, _CHUNK)


def _write(path: str, data: bytes) -> None:
    with _completed(path) as file:
        file.write(data)


@contextmanager
def _completed(path: str) -> Iterator[BinaryIO]:
    """Open a file that gets its name when it has been written without an error, and vanishes otherwise."""
    folder, name = os.path.split(path)
    os.makedirs(folder or ".", exist_ok=True)
    partial = os.path.join(folder, f".{name}.partial")
    try:
        with open(partial, "wb") as file:
            yield file
        os.replace(partial, path)
    except BaseException:
        if os.path.exists(partial):
            os.unlink(partial)
        raise


def _archive_name(descriptor: Descriptor) -> str:
    suffix = next((end for kind, end in _SUFFIXES.items() if descriptor.media_type.endswith(kind)), ".tar")
    return descriptor.digest.hex + suffix


def _add(archive: tarfile.TarFile, name: str, content: BinaryIO, size: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = size
    entry.mode = 0o644
    archive.addfile(entry, content)
