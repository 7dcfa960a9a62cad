"""Files of an output: each appears under its name when it is complete, or is written in place."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import BinaryIO, TypeVar, cast

from yadokari_builder.errors import BuilderError, ImageInvalidError, described
from yadokari_builder.layers.streams import HashingReader
from yadokari_builder.oci.digest import Digest
from yadokari_builder.oci.media_types import FOREIGN_LAYERS
from yadokari_builder.registry.source import LayerSource

Source = TypeVar("Source", bound=LayerSource)


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


def distinct(layers: Iterable[Source]) -> Iterator[Source]:
    """Return each blob once; foreign layers are never kept with an image."""
    by_digest = {layer.layer.descriptor.digest: layer for layer in layers}
    return (layer for layer in by_digest.values() if layer.layer.descriptor.media_type not in FOREIGN_LAYERS)


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
        reader = HashingReader(blob, digest.hasher())
        yield cast(BinaryIO, reader)
    if reader.hexdigest() != digest.hex:
        raise ImageInvalidError(f"layer {digest} has another content: {reader.hexdigest()}")
