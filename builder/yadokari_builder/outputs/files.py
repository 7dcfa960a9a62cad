"""Files of an output: each appears under its name when it is complete, or is written in place."""

import errno
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import BinaryIO, TypeVar, cast

from yadokari_builder.errors import BuilderError, ImageInvalidError, described
from yadokari_builder.layers.streams import HashingReader
from yadokari_builder.oci.media_types import FOREIGN_LAYERS
from yadokari_builder.registry.blob import BlobStream
from yadokari_builder.registry.source import LayerSource

AnyLayer = TypeVar("AnyLayer", bound=LayerSource)


def require_file(path: str) -> None:
    """Make sure, leaving nothing behind, that a file can be written; raises `OSError`."""
    if os.path.isdir(path):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    if not os.path.lexists(path):
        require_folder(os.path.dirname(path))
    elif not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)


def require_folder(path: str) -> None:
    """Make sure, leaving nothing behind, that there can be a folder, and files in it; raises `OSError`."""
    there = path or "."
    while not os.path.lexists(there):
        there = os.path.dirname(there) or "."
    with tempfile.TemporaryFile(dir=there):
        pass


@contextmanager
def naming(flag: str, path: str) -> Iterator[None]:
    """Say which output it is that cannot be written: an `OSError` becomes a `BuilderError`."""
    try:
        yield
    except OSError as error:
        raise BuilderError(f"{flag} {path} cannot be written: {described(error)}") from error


def distinct(layers: Iterable[AnyLayer]) -> Iterator[AnyLayer]:
    """Return each blob once."""
    return iter({layer.layer.descriptor.digest: layer for layer in layers}.values())


def distributable(layers: Iterable[AnyLayer]) -> Iterator[AnyLayer]:
    """Return each blob once but for foreign layers, which are never kept with an image."""
    return (layer for layer in distinct(layers) if layer.layer.descriptor.media_type not in FOREIGN_LAYERS)


@contextmanager
def completed(path: str) -> Iterator[BinaryIO]:
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


@contextmanager
def verified(layer: LayerSource) -> Iterator[BinaryIO]:
    """Open a layer's blob to be read to its end; raises `ImageInvalidError` in the end if it is another."""
    digest = layer.layer.descriptor.digest
    with layer.open() as blob:
        if isinstance(blob, BlobStream):
            # It ends in this error by itself: to hash it again takes as long as all else.
            yield cast(BinaryIO, blob)
            return
        reader = HashingReader(blob, digest.hasher())
        yield cast(BinaryIO, reader)
    if reader.hexdigest() != digest.hex:
        raise ImageInvalidError(f"layer {digest} has another content: {reader.hexdigest()}")
