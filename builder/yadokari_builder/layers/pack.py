"""Members packed into a layer."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from yadokari_builder.layers.compression import DEFAULT_COMPRESSION, Compression
from yadokari_builder.layers.fingerprints import Fingerprints, checksum
from yadokari_builder.layers.layer_file import LayerFile, Watch
from yadokari_builder.layers.members import Members
from yadokari_builder.layers.nameless import NamelessFile
from yadokari_builder.layers.tar_member import Kind
from yadokari_builder.layers.tar_writer import format_header
from yadokari_builder.oci.layer import Layer


@dataclass(frozen=True, slots=True)
class PackedLayer:
    """A layer in a file of its own."""

    layer: Layer
    file: NamelessFile


def pack(
    members: Members,
    directory: Path,
    *,
    compression: Compression = DEFAULT_COMPRESSION,
    watch: Watch | None = None,
    beat: Callable[[], None] | None = None,
    fingerprints: Fingerprints | None = None,
) -> PackedLayer:
    """Write a layer of members to a new, nameless file in `directory`.

    `watch` is told of a large layer's file before it is complete; `beat` is called after every mebibyte of
    the archive, and what it raises gives the layer up; `fingerprints` are told what files hold. Raises
    BuilderError if a file shrinks meanwhile.
    """
    known = fingerprints or Fingerprints()
    with LayerFile(directory, compression, watch, beat) as output:
        for member, content in members:
            output.write(format_header(member))
            held = content.write_to(output, member.size) if content else 0
            if member.kind is Kind.FILE:
                known.add(f"/{member.name}", checksum(held, member.xattrs))
            elif member.kind is Kind.HARD_LINK:
                known.link(f"/{member.name}", f"/{member.link}")
        layer = output.finish()
    return PackedLayer(layer, output.file)
