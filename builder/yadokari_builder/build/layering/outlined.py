"""Layers put into a root, by their outlines where names are enough and somebody knows these."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol, Self, cast

from yadokari_builder.build.layering.blobs import SharedLayer
from yadokari_builder.build.layering.download import downloading
from yadokari_builder.errors import BuilderError, ImageInvalidError, RegistryError, described
from yadokari_builder.layers.allowance import Allowance
from yadokari_builder.layers.archives import Archive, decompressing
from yadokari_builder.layers.fingerprints import Fingerprints
from yadokari_builder.layers.outline import OutlineWriter
from yadokari_builder.layers.unpack import UnpackReport, unpack, unpack_outline
from yadokari_builder.oci.digest import Digest
from yadokari_builder.oci.layer import Layer
from yadokari_builder.registry.source import LayerSource
from yadokari_builder.rootfs.boundary import Boundary


class SpoiledLayerError(Exception):
    """A layer of a step, or an outline, cannot be unpacked, though it is there.

    With `is_out_of_reach` it is not the layer that is wrong, but the registry that does not give it.
    """

    def __init__(self, digest: Digest, why: str, *, is_out_of_reach: bool = False) -> None:
        super().__init__(why)
        self.digest = digest
        self.why = why
        self.is_out_of_reach = is_out_of_reach

    @classmethod
    def of(cls, digest: Digest, error: BaseException) -> Self:
        """Return what an error means that a layer was not had for."""
        return cls(digest, str(error), is_out_of_reach=isinstance(error, RegistryError) and error.temporary)


class Outlines(Protocol):
    """Knows outlines of layers, and keeps those that it does not know."""

    def find(self, layers: Sequence[Layer], *, are_wanted: bool) -> Mapping[Digest, LayerSource]:
        """Return the outlines that are known, by the diff IDs of their layers.

        Those that are not wanted need not be looked for, but for whether to keep what `begin` returns.
        """

    def begin(self, layer: Layer) -> OutlineWriter | None:
        """Return what takes the outline of a layer while it is read; None where nobody wants it."""

    def end(self, layer: Layer, outline: OutlineWriter) -> None:
        """Take the outline of a layer that was read and is whole."""


class NoOutlines:
    """Knows none."""

    def find(self, layers: Sequence[Layer], *, are_wanted: bool) -> Mapping[Digest, LayerSource]:  # noqa: ARG002
        """Return none."""
        return {}

    def begin(self, layer: Layer) -> None:
        """Want none."""

    def end(self, layer: Layer, outline: OutlineWriter) -> None:
        """Keep none."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where layers are put: the `boundary` of a root, whose files the `fingerprints` are of.

    With `names_only` their names are enough. What comes in before its turn goes to `folder`. An image may
    take `limit` bytes (see `Allowance`).
    """

    boundary: Boundary
    fingerprints: Fingerprints
    folder: Path
    limit: int
    names_only: bool = False


def put(
    layers: Sequence[LayerSource],
    place: Place,
    outlines: Outlines,
    blame: Callable[[LayerSource, BuilderError], Exception],
) -> UnpackReport:
    """Put layers on top of what is in a root, one after the other.

    What is wrong with a layer is what `blame` makes of it; an outline's trouble is a `SpoiledLayerError`.
    """
    known = outlines.find([source.layer for source in layers], are_wanted=place.names_only)
    taken = [known.get(source.layer.diff_id, source) if place.names_only else source for source in layers]
    for source, instead in zip(layers, taken, strict=True):
        if instead is not source and isinstance(source, SharedLayer):
            source.forgo()
    whole, allowance = UnpackReport(), Allowance(place.boundary.root, place.limit)
    diff_ids = [source.layer.diff_id for source in taken]
    with downloading(taken, place.folder) as blobs, decompressing(blobs, diff_ids) as archives:
        for source, instead, archive in zip(layers, taken, archives, strict=True):
            if instead is not source:
                whole.add(_put_outline(instead, archive, place, allowance))
                continue
            try:
                whole.add(_put_layer(source, archive, place, allowance, outlines))
            except (ImageInvalidError, RegistryError) as error:
                if (blamed := blame(source, error)) is error:
                    raise
                raise blamed from error
    return whole


def _put_outline(outline: LayerSource, archive: Archive, place: Place, allowance: Allowance) -> UnpackReport:
    try:
        return unpack_outline(
            cast(BinaryIO, archive), place.boundary, fingerprints=place.fingerprints, allowance=allowance
        )
    except (ImageInvalidError, RegistryError) as error:
        raise SpoiledLayerError.of(outline.layer.descriptor.digest, error) from error
    except OSError as error:
        # One with too many names fills a disk that has room for the layer.
        raise SpoiledLayerError(outline.layer.descriptor.digest, described(error)) from error


def _put_layer(
    source: LayerSource, archive: Archive, place: Place, allowance: Allowance, outlines: Outlines
) -> UnpackReport:
    outline = outlines.begin(source.layer)
    report = unpack(
        cast(BinaryIO, archive),
        place.boundary,
        names_only=place.names_only,
        fingerprints=place.fingerprints,
        allowance=allowance,
        watch=outline,
    )
    archive.check()
    if outline:
        outlines.end(source.layer, outline)
    return report
