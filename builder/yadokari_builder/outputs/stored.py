"""Images read back from files, byte for byte: OCI layouts, and archives as `docker save` writes them.

What is in them is hostile: nothing outside of them is opened, and digests are checked, but for those of a
layout's layers, which whoever reads these has to check, as registries do.
"""

import io
import json
import os
import posixpath
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, cast

from yadokari_builder.errors import ImageInvalidError, UsageError, described
from yadokari_builder.layers.compression import DEFAULT_COMPRESSION, compressor, decompress
from yadokari_builder.layers.nameless import NamelessFile
from yadokari_builder.layers.streams import CHUNK_SIZE, HashingReader
from yadokari_builder.oci import media_types
from yadokari_builder.oci.descriptor import Descriptor
from yadokari_builder.oci.digest import Digest
from yadokari_builder.oci.image import Image
from yadokari_builder.oci.layer import Layer
from yadokari_builder.oci.layout import INDEX, blob_path
from yadokari_builder.oci.manifest import Index, Manifest, parse_manifest
from yadokari_builder.oci.verbatim import verbatim_config, verbatim_manifest
from yadokari_builder.registry.source import LocalLayer

# Registries take no larger manifests (distribution-spec, pushing manifests); a config is hardly larger.
_MOST_JSON = 4 << 20
_KINDS = ((b"\x1f\x8b\x08", media_types.OCI_LAYER_GZIP), (b"\x28\xb5\x2f\xfd", media_types.OCI_LAYER_ZSTD))


@dataclass(frozen=True, slots=True)
class StoredImage:
    """An image and its layers, from bottom to top."""

    image: Image
    layers: tuple[LocalLayer, ...]


def open_stored(path: str, scratch: Path) -> StoredImage:
    """Read an OCI layout, if `path` is a folder, or else an archive; `scratch` is for layers to compress.

    Raises `UsageError` where there is no image, `ImageInvalidError` where it is broken.
    """
    try:
        return _open_layout(path) if os.path.isdir(path) else _open_archive(path, scratch)
    except (FileNotFoundError, NotADirectoryError, PermissionError) as error:
        raise UsageError(f"{path} cannot be read: {described(error)}") from error
    except tarfile.TarError as error:
        raise UsageError(f"{path} is neither an OCI layout nor a plain tar file: {error}") from None


def _open_layout(path: str) -> StoredImage:
    try:
        with open(os.path.join(path, INDEX), "rb") as file:
            found = parse_manifest(_small(file, INDEX), media_types.OCI_INDEX)
    except FileNotFoundError:
        raise UsageError(f"{path} is no OCI layout: it has no {INDEX}") from None
    while isinstance(found, Index):
        images = found.images()
        if len(images) != 1:
            raise UsageError(f"{path} holds {len(images)} images: only a layout of one can be pushed")
        data = _checked(path, images[0])
        found = parse_manifest(data, images[0].media_type)
    manifest = verbatim_manifest(found, data)
    image = Image.of(Digest.of(data), manifest, verbatim_config(_checked(path, found.config)))
    return StoredImage(
        image,
        tuple(LocalLayer(layer, partial(_blob, path, layer.descriptor.digest)) for layer in image.layers),
    )


def _checked(path: str, descriptor: Descriptor) -> bytes:
    with _blob(path, descriptor.digest) as file:
        data = _small(file, str(descriptor.digest))
    if not descriptor.digest.fits(data):
        raise ImageInvalidError(f"{path}: blob {descriptor.digest} has another content")
    return data


def _blob(path: str, digest: Digest) -> BinaryIO:
    place = os.path.join(path, blob_path(digest))
    if not os.path.realpath(place).startswith(os.path.realpath(path) + os.sep):
        raise ImageInvalidError(f"{path}: blob {digest} is a link that leads out of the layout")
    try:
        return open(place, "rb")
    except FileNotFoundError:
        raise ImageInvalidError(f"{path}: blob {digest} is missing") from None


def _open_archive(path: str, scratch: Path) -> StoredImage:
    with tarfile.open(path, "r:") as archive:
        members = {posixpath.normpath(member.name): member for member in archive}
        entry = _entry(_small(_content(path, members, "manifest.json"), "manifest.json"))
        config = verbatim_config(_small(_content(path, members, entry["Config"]), entry["Config"]))
        if len(entry["Layers"]) != len(config.diff_ids):
            raise ImageInvalidError(f"{path}: its config is one of {len(config.diff_ids)} layers")
        layers = tuple(
            _layer(partial(_content, path, members, name), diff_id, scratch)
            for name, diff_id in zip(entry["Layers"], config.diff_ids, strict=True)
        )
    kinds = {layer.layer.descriptor.media_type for layer in layers}
    is_docker = media_types.OCI_LAYER_ZSTD not in kinds
    convert = media_types.as_docker if is_docker else media_types.as_oci
    manifest = Manifest(
        convert(media_types.OCI_MANIFEST),
        Descriptor(convert(media_types.OCI_CONFIG), Digest.of(config.raw), len(config.raw)),
        tuple(_converted(layer, convert(layer.layer.descriptor.media_type)) for layer in layers),
    )
    return StoredImage(Image.of(Digest.of(manifest.format()), manifest, config), layers)


def _converted(layer: LocalLayer, media_type: str) -> Descriptor:
    return Descriptor(media_type, layer.layer.descriptor.digest, layer.layer.descriptor.size)


def _entry(data: bytes) -> Mapping[str, Any]:
    """Read manifest.json (moby, image/spec/v1.2.md), which must list one image."""
    try:
        listed = json.loads(data)
        (entry,) = listed
        if isinstance(entry["Config"], str) and all(isinstance(name, str) for name in entry["Layers"]):
            return cast(Mapping[str, Any], entry)
    except (ValueError, TypeError, KeyError, RecursionError):
        pass
    raise UsageError("manifest.json does not list one image with Config and Layers")


def _content(path: str, members: Mapping[str, tarfile.TarInfo], name: str) -> BinaryIO:
    member = members.get(posixpath.normpath(name))
    if member and member.issym():
        # A layer that several images have is there once; the others link to it.
        target = posixpath.join(posixpath.dirname(member.name), member.linkname)
        member = members.get(posixpath.normpath(target))
    if member is None or not member.isreg():
        raise UsageError(f"{path} has no file {name}: it is not an archive as docker save writes it")
    return cast(BinaryIO, _Section(path, member.offset_data, member.size))


def _layer(content: partial[BinaryIO], diff_id: Digest, scratch: Path) -> LocalLayer:
    """Tell a layer by its content, which must be that of its diff ID; a plain one is compressed."""
    with content() as stream:
        head = stream.read(4)
    with content() as stream:
        plain = HashingReader(decompress(stream), diff_id.hasher())
        kind = next((kind for magic, kind in _KINDS if head.startswith(magic)), None)
        packed = None if kind else _compressed(plain, scratch)
        while plain.read(CHUNK_SIZE):
            pass
    if plain.hexdigest() != diff_id.hex:
        raise ImageInvalidError(f"layer {diff_id} has another content: {plain.hexdigest()}")
    opener = packed.open if packed else content
    with opener() as stream:
        hashed = HashingReader(stream)
        size = sum(iter(lambda: len(hashed.read(CHUNK_SIZE)), 0))
    digest = Digest.parse(f"sha256:{hashed.hexdigest()}")
    return LocalLayer(Layer(Descriptor(kind or media_types.OCI_LAYER_GZIP, digest, size), diff_id), opener)


def _compressed(plain: HashingReader, scratch: Path) -> NamelessFile:
    packed, packer = NamelessFile(scratch), compressor(DEFAULT_COMPRESSION)
    while chunk := plain.read(CHUNK_SIZE):
        packed.append(packer.compress(chunk))
    packed.append(packer.flush())
    return packed


def _small(file: BinaryIO, name: str) -> bytes:
    with file:
        data = file.read(_MOST_JSON + 1)
    if len(data) > _MOST_JSON:
        raise ImageInvalidError(f"{name} is larger than {_MOST_JSON} bytes")
    return data


class _Section(io.RawIOBase):
    """A part of a file, for reading."""

    def __init__(self, path: str, offset: int, size: int) -> None:
        self._file = open(path, "rb")  # noqa: SIM115 it is closed with this
        self._file.seek(offset)
        self._left = size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "bytearray | memoryview", /) -> int:  # type: ignore[override]
        with memoryview(buffer)[: self._left] as wanted:
            size = self._file.readinto(wanted)
        self._left -= size
        return size

    def close(self) -> None:
        self._file.close()
        super().close()
