"""Build contexts in registries: `oci://REFERENCE`.

an image                    its layers, one on top of the other
Flux's artifact             one layer without a title, an archive
a folder that ORAS pushed   a layer with a title, marked as one to unpack: an archive of the folder
a file that ORAS pushed     a layer with a title: the file; an archive, by its name, is unpacked if it is
                            all that there is
"""

import os
import posixpath
import re
from collections.abc import Mapping
from pathlib import Path

from yadokari_builder.dockerfile.quoting import printable
from yadokari_builder.errors import ContextError, described
from yadokari_builder.layers.allowance import Allowance, TooLargeError
from yadokari_builder.layers.streams import CHUNK_SIZE, Readable
from yadokari_builder.oci import media_types
from yadokari_builder.oci.reference import Reference
from yadokari_builder.rootfs.paths import normalise, resolve
from yadokari_builder.sources.archive import unpack_context
from yadokari_builder.sources.context import Context, Location, Surroundings

_TITLE = "org.opencontainers.image.title"
_UNPACK = "io.deis.oras.content.unpack"
_ARCHIVE = re.compile(r".*\.(?:tar|tar\.(?:gz|bz2|xz|zst)|tgz|tbz2|txz|tzst)")
_IMAGE_CONFIGS = frozenset({media_types.OCI_CONFIG, media_types.DOCKER_CONFIG})


def open_artifact(location: Location, around: Surroundings) -> Context:
    """Write out what an artifact holds; the context is resolved to the digest of its manifest.

    Raises ContextError, and what finding and reading the artifact raises.
    """
    reference = Reference.parse(location.rest)
    artifact = around.artifact(reference)
    if not artifact.manifest.layers:
        raise ContextError(f"{location}: there is nothing in this artifact")
    folder = around.place.new_folder()
    allowance = around.allowance()
    is_image = artifact.manifest.config.media_type in _IMAGE_CONFIGS
    for layer in artifact.manifest.layers:
        with artifact.open(layer) as blob:
            title = layer.annotations.get(_TITLE, "")
            is_alone = len(artifact.manifest.layers) == 1
            if title and not _is_archive(title, layer.annotations, is_alone=is_alone):
                _write(blob, folder, title, str(location), allowance)
            else:
                unpack_context(blob, folder, str(location), allowance, whiteouts=is_image)
    return Context(folder, resolved=str(artifact.digest))


def _is_archive(title: str, annotations: Mapping[str, str], *, is_alone: bool) -> bool:
    return annotations.get(_UNPACK) == "true" or (is_alone and bool(_ARCHIVE.fullmatch(title)))


def _write(blob: Readable, folder: Path, title: str, name: str, allowance: Allowance) -> None:
    """Write a file; its name, and links of what was written before, lead nowhere out of the folder."""
    parent, last = posixpath.split(normalise(title))
    try:
        inside = Path(f"{folder}{resolve(folder, parent)}")
        inside.mkdir(parents=True, exist_ok=True)
        with open(inside / last, "xb", opener=_no_link) as file:
            while chunk := blob.read(CHUNK_SIZE):
                allowance.take(len(chunk))
                file.write(chunk)
    except TooLargeError as error:
        raise ContextError(f"{name}: {printable(title)}: {error.message}") from None
    except (FileExistsError, NotADirectoryError, IsADirectoryError):
        raise ContextError(f"{name}: {printable(title)} is in the way of another file or is none") from None
    except OSError as error:
        raise ContextError(f"{name}: {printable(title)}: {described(error)}") from error


def _no_link(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o644)
