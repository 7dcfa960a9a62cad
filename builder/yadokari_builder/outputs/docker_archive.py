"""Images as the tar file that `docker load` reads; blobs are streamed."""

import json
import tarfile
from collections.abc import Sequence
from io import BytesIO
from typing import BinaryIO

from yadokari_builder.oci.descriptor import Descriptor
from yadokari_builder.oci.image import Image
from yadokari_builder.oci.reference import Reference
from yadokari_builder.outputs.files import completed, distinct, verified
from yadokari_builder.registry.source import LayerSource

_CHUNK = 1024 * 1024
_SUFFIXES = {"gzip": ".tar.gz", "zstd": ".tar.zst"}


def write_docker_archive(
    path: str, image: Image, layers: Sequence[LayerSource], destinations: Sequence[Reference]
) -> None:
    """Write an image as the tar file that `docker load` reads, named by all destinations.

    Such a file cannot say where else a layer is to be had: foreign ones are in it, too.
    """
    names = {layer.layer.descriptor.digest: _archive_name(layer.layer.descriptor) for layer in layers}
    config = f"{image.manifest.config.digest.hex}.json"
    entry = {
        "Config": config,
        "RepoTags": [destination.familiar for destination in destinations if destination.digest is None],
        "Layers": [names[layer.digest] for layer in image.manifest.layers],
    }
    with completed(path) as file, tarfile.TarFile(fileobj=file, mode="w", copybufsize=_CHUNK) as archive:
        _add(archive, config, BytesIO(image.config.format()), image.manifest.config.size)
        for layer in distinct(layers):
            with verified(layer) as blob:
                descriptor = layer.layer.descriptor
                _add(archive, names[descriptor.digest], blob, descriptor.size)
        listing = json.dumps([entry]).encode()
        _add(archive, "manifest.json", BytesIO(listing), len(listing))


def _archive_name(descriptor: Descriptor) -> str:
    suffix = next((end for kind, end in _SUFFIXES.items() if descriptor.media_type.endswith(kind)), ".tar")
    return descriptor.digest.hex + suffix


def _add(archive: tarfile.TarFile, name: str, content: BinaryIO, size: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = size
    entry.mode = 0o644
    archive.addfile(entry, content)
