"""Images as OCI layouts (image-spec, image-layout.md); blobs are streamed."""

import os
import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from yadokari_builder.oci.descriptor import Descriptor
from yadokari_builder.oci.image import Image
from yadokari_builder.oci.layout import INDEX, MARKER, REF_NAME, VERSION, blob_path
from yadokari_builder.oci.manifest import Index
from yadokari_builder.oci.media_types import OCI_INDEX
from yadokari_builder.oci.reference import Reference
from yadokari_builder.outputs.files import completed, distributable, verified
from yadokari_builder.registry.source import LayerSource

_CHUNK = 1024 * 1024
_WORKERS = 4


def write_oci_layout(
    path: str, image: Image, layers: Sequence[LayerSource], destinations: Sequence[Reference]
) -> None:
    """Write an image as an OCI layout (image-spec, image-layout.md) into the folder `path`.

    What `index.json` named there before is forgotten; the first destination becomes the image's name in it.
    """
    with ThreadPoolExecutor(_WORKERS, "output") as pool:
        list(pool.map(lambda layer: _write_layer(path, layer), distributable(layers)))
    config, manifest = image.config.format(), image.manifest.format()
    _write(os.path.join(path, blob_path(image.manifest.config.digest)), config)
    _write(os.path.join(path, blob_path(image.manifest_digest)), manifest)
    entry = Descriptor(
        image.manifest.media_type,
        image.manifest_digest,
        len(manifest),
        _names(destinations),
        image.config.platform,
    )
    _write(os.path.join(path, MARKER), VERSION)
    _write(os.path.join(path, INDEX), Index(OCI_INDEX, (entry,)).format())


def _names(destinations: Sequence[Reference]) -> Mapping[str, str]:
    """Name an image as BuildKit does: the tag for any tool, the whole name for containerd's."""
    if not destinations:
        return {}
    first = destinations[0]
    return {
        "io.containerd.image.name": str(first),
        REF_NAME: first.tag or str(first.digest),
    }


def _write_layer(folder: str, layer: LayerSource) -> None:
    place = os.path.join(folder, blob_path(layer.layer.descriptor.digest))
    with completed(place) as file, verified(layer) as blob:
        shutil.copyfileobj(blob, file, _CHUNK)


def _write(path: str, data: bytes) -> None:
    with completed(path) as file:
        file.write(data)
