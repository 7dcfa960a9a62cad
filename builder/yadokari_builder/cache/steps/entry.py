"""Entries: what a step left, as an image that any registry holds and any tool shows.

An entry is an OCI image manifest (image-spec, manifest.md) with one layer, or none where the step changed
nothing. What is known of it stands in annotations, so that asking for the manifest is enough; the config is
for registries and people.
"""

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from yadokari_builder.errors import ImageInvalidError
from yadokari_builder.layers.outline import FORMAT
from yadokari_builder.oci import media_types
from yadokari_builder.oci.config import History, ImageConfig
from yadokari_builder.oci.digest import Digest
from yadokari_builder.oci.fields import parse_object
from yadokari_builder.oci.image import Image
from yadokari_builder.oci.layer import Layer
from yadokari_builder.oci.manifest import Manifest
from yadokari_builder.oci.platform import Platform
from yadokari_builder.oci.timestamp import format_time, parse_time

_KEY = "dev.yadokari.cache.key"
_NAME = "dev.yadokari.cache.name"
_DIFF_ID = "dev.yadokari.cache.diff-id"
_OUTLINE = f"dev.yadokari.cache.outline-{FORMAT}"
_SECONDS = "dev.yadokari.cache.seconds"
_PARTS = "dev.yadokari.cache.parts"
_FILES = "dev.yadokari.cache.files"
_CREATED = "org.opencontainers.image.created"
_LAYERS = frozenset({media_types.OCI_LAYER, media_types.OCI_LAYER_GZIP, media_types.OCI_LAYER_ZSTD})
_LONGEST_NAME = 200
_LONGEST_STEP = 4096
# Characters of a list of files: an entry is to stay below what stores read of one.
_LONGEST_LIST = 1 << 18
_SECOND = 10**9


@dataclass(frozen=True, slots=True)
class Entry:
    """What a step left: a layer, or none where it changed no file.

    `key` is what it is found by, `name` what it is to the keys of the steps after it: empty for nothing.
    `created` is when, in seconds since the epoch, `seconds` how long it took. The layer's `outline` is there
    if it is small.
    """

    key: str
    name: str
    layer: Layer | None
    created: int
    seconds: float = 0
    outline: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Trace:
    """What a key was made of, for telling what has changed since: its parts, and files that were taken.

    Of each file there is the beginning of a digest; `files` is empty where there were none, or too many.
    """

    parts: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    files: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def format(self) -> dict[str, str]:
        """Return it as annotations, without files where their names are too long."""
        listed = json.dumps(dict(self.files))
        files = {_FILES: listed} if self.files and len(listed) <= _LONGEST_LIST else {}
        return {_PARTS: json.dumps(dict(self.parts)), **files}

    @classmethod
    def parse(cls, annotations: Mapping[str, str]) -> "Trace":
        """Read annotations; raises `ImageInvalidError`."""
        wrapped = f'{{"parts": {annotations.get(_PARTS, "{}")}, "files": {annotations.get(_FILES, "{}")}}}'
        fields = parse_object(wrapped.encode(), "what a key was made of")
        return cls(fields.text_map("parts"), fields.text_map("files"))


@dataclass(frozen=True, slots=True)
class Document:
    """An entry as it is stored: under which names, and the blobs of its manifest and of its config."""

    names: tuple[str, ...]
    image: Image
    manifest: bytes = field(repr=False)
    config: bytes = field(repr=False)


def format_entry(entry: Entry, step: str, platform: Platform, trace: Trace, last: str = "") -> Document:
    """Write an entry; `step` is the instruction, for people who look at it.

    Where it is the instruction's newest one, `last` is the name for that.
    """
    created = format_time(entry.created * _SECOND)
    layers = (entry.layer,) if entry.layer else ()
    config = ImageConfig(
        platform=platform,
        created=created,
        diff_ids=tuple(layer.diff_id for layer in layers),
        history=(History(created=created, created_by=step[:_LONGEST_STEP], empty_layer=not layers),),
    )
    annotations = {_KEY: entry.key, _NAME: entry.name, _CREATED: created, **trace.format()}
    if entry.layer:
        annotations[_DIFF_ID] = str(entry.layer.diff_id)
    if entry.seconds:
        annotations[_SECONDS] = f"{entry.seconds:.2f}"
    if entry.outline:
        annotations[_OUTLINE] = base64.b64encode(entry.outline).decode()
    image = Image.assemble(config, layers, media_types.OCI_MANIFEST, MappingProxyType(annotations))
    names = (entry.key, last) if last else (entry.key,)
    return Document(names, image, image.manifest.format(), config.format())


def parse_entry(manifest: Manifest, key: str) -> Entry:
    """Read what is stored for a key; raises `ImageInvalidError` for what is no entry, or another one."""
    said = manifest.annotations
    if said.get(_KEY) != key:
        raise ImageInvalidError("it is no entry of this cache, or one for something else")
    name = said.get(_NAME, "")
    if not (name.isascii() and name.isprintable() and len(name) <= _LONGEST_NAME):
        raise ImageInvalidError("its name is none")
    created = parse_time(said.get(_CREATED, "")) // _SECOND
    took = said.get(_SECONDS, "")
    seconds = float(took) if re.fullmatch(r"[0-9]{1,6}\.[0-9]{2}", took) else 0.0
    return Entry(key, name, _layer(manifest, said), created, seconds, _outline(said))


def made_at(manifest: Manifest) -> int | None:
    """Tell when an entry was made, in seconds since the epoch; None for what is no entry.

    Raises `ImageInvalidError` where that cannot be told.
    """
    said = manifest.annotations
    return parse_time(said.get(_CREATED, "")) // _SECOND if _KEY in said else None


def _outline(said: Mapping[str, str]) -> bytes:
    try:
        return base64.b64decode(said.get(_OUTLINE, ""), validate=True)
    except ValueError:
        raise ImageInvalidError("its outline is none") from None


def _layer(manifest: Manifest, said: Mapping[str, str]) -> Layer | None:
    if not manifest.layers:
        return None
    if len(manifest.layers) > 1:
        raise ImageInvalidError(f"it has {len(manifest.layers)} layers")
    descriptor = manifest.layers[0]
    if descriptor.media_type not in _LAYERS:
        raise ImageInvalidError(f"its layer is {descriptor.media_type[:100]!r}")
    return Layer(descriptor, Digest.parse(said.get(_DIFF_ID, "")))
