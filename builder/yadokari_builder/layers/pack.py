"""Members packed into a layer."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from yadokari_builder.layers.compression import DEFAULT_COMPRESSION, Compression
from yadokari_builder.layers.fingerprints import Fingerprints, checksum
from yadokari_builder.layers.layer_file import LayerFile, Watch
from yadokari_builder.layers.leaks import NOTHING, Sought
from yadokari_builder.layers.members import Members
from yadokari_builder.layers.nameless import NamelessFile
from yadokari_builder.layers.tar_member import Kind
from yadokari_builder.layers.tar_writer import format_header
from yadokari_builder.oci.layer import Layer


@dataclass(frozen=True, slots=True)
class PackedLayer:
    """A layer in a file of its own; `leaks` names, by a secret's id, first members that hold its value."""

    layer: Layer
    file: NamelessFile
    leaks: Mapping[str, Sequence[str]] = field(default_factory=dict)


def pack(
    members: Members,
    directory: Path,
    *,
    compression: Compression = DEFAULT_COMPRESSION,
    watch: Watch | None = None,
    beat: Callable[[], None] | None = None,
    fingerprints: Fingerprints | None = None,
    sought: Sought = NOTHING,
) -> PackedLayer:
    """Write a layer of members to a new, nameless file in `directory`.

    `watch` is told of a large layer's file before it is complete; `beat` is called after every mebibyte of
    the archive, and what it raises gives the layer up; `fingerprints` are told what files hold; what is
    `sought` is looked for. Raises BuilderError if a file shrinks meanwhile.
    """
    known = fingerprints or Fingerprints()
    search = sought.search()
    with LayerFile(directory, compression, watch, beat, search) as output:
        for member, content in members:
            output.begin(member.name)
            output.write(format_header(member))
            held = content.write_to(output, member.size) if content else 0
            if member.kind is Kind.FILE:
                known.add(f"/{member.name}", checksum(held, member.xattrs))
            elif member.kind is Kind.HARD_LINK:
                known.link(f"/{member.name}", f"/{member.link}")
        layer = output.finish()
    return PackedLayer(layer, output.file, search.found if search else {})
