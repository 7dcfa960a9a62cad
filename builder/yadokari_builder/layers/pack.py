"""Members packed into a layer."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from yadokari_builder.layers.compression import DEFAULT_COMPRESSION, Compression
from yadokari_builder.layers.fingerprints import Fingerprints, checksum
from yadokari_builder.layers.layer_file import LayerFile, Watch
from yadokari_builder.layers.leaks import NOTHING, Sought
from yadokari_builder.layers.members import Members
from yadokari_builder.layers.nameless import NamelessFile
from yadokari_builder.layers.outline import Outline, OutlineWriter
from yadokari_builder.layers.tar_member import BLOCK, Kind, Member
from yadokari_builder.layers.tar_writer import format_header
from yadokari_builder.oci.layer import Layer

# Where fields of a header begin.
_MTIME = 136
_TYPE = 156


@dataclass(frozen=True, slots=True)
class PackedLayer:
    """A layer in a file of its own; `leaks` names, by a secret's id, first members that hold its value.

    `content` is the digest in hex of all that is in it but times; empty where nobody asked for it. So is the
    `outline`, which is None then, or where there is none.
    """

    layer: Layer
    file: NamelessFile
    leaks: Mapping[str, Sequence[str]] = field(default_factory=dict)
    content: str = ""
    outline: Outline | None = None


def pack(
    members: Members,
    directory: Path,
    *,
    compression: Compression = DEFAULT_COMPRESSION,
    watch: Watch | None = None,
    beat: Callable[[], None] | None = None,
    fingerprints: Fingerprints | None = None,
    with_content: bool = False,
    with_outline: bool = False,
    sought: Sought = NOTHING,
) -> PackedLayer:
    """Write a layer of members to a new, nameless file in `directory`.

    `watch` is told of a large layer's file before it is complete; `beat` is called after every mebibyte of
    the archive, and what it raises gives the layer up; `fingerprints` are told what files hold; what is
    `sought` is looked for; `with_content` asks for the digest without times, `with_outline` for the outline.
    Raises BuilderError if a file shrinks meanwhile.
    """
    known = fingerprints or Fingerprints()
    search = sought.search()
    digest = hashlib.sha256() if with_content else None
    outline = OutlineWriter() if with_outline else None
    hearers = [each for each in (digest, outline) if each is not None]
    with LayerFile(directory, compression, watch, beat, search, hearers) as output:
        for member, content in members:
            output.begin(member.name)
            header = format_header(member)
            output.write(header)
            if digest:
                digest.update(_without_time(member, header))
            if outline:
                outline.add(member, header)
            held = content.write_to(output, member.size) if content else 0
            if member.kind is Kind.FILE:
                known.add(f"/{member.name}", checksum(held, member.xattrs))
            elif member.kind is Kind.HARD_LINK:
                known.link(f"/{member.name}", f"/{member.link}")
        layer = output.finish()
    found = search.found if search else {}
    named, outlined = digest.hexdigest() if digest else "", outline.finish() if outline else None
    return PackedLayer(layer, output.file, found, named, outlined)


def _without_time(member: Member, header: bytes) -> bytes:
    """Return all of a member's header but the time, and the checksum behind that (ustar)."""
    if len(header) > BLOCK:
        # What extends it may hold the time, too.
        header = format_header(member._replace(mtime_ns=0))
    start = len(header) - BLOCK
    return header[: start + _MTIME] + header[start + _TYPE :]
