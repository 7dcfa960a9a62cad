"""Outlines of layers in the cache: who copies onto an image needs no more of its layers than these."""

import io
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from yadokari_builder.build.caching.writing import Left
from yadokari_builder.cache.steps.entry import Trace
from yadokari_builder.cache.steps.key import name_of_outline
from yadokari_builder.cache.steps.probe import Found, Prober
from yadokari_builder.layers.outline import MOST_COMPRESSED, Outline, OutlineWriter
from yadokari_builder.oci.descriptor import Descriptor
from yadokari_builder.oci.digest import Digest
from yadokari_builder.oci.layer import Layer
from yadokari_builder.oci.media_types import OCI_LAYER_ZSTD
from yadokari_builder.oci.platform import Platform
from yadokari_builder.oci.reference import Repository
from yadokari_builder.registry.source import LayerSource, LocalLayer

logger = logging.getLogger(__name__)

# Bytes of an outline that an entry holds itself, which is read with each probe: some thousand names.
_MOST_WITHIN = 8 << 10


@dataclass(slots=True)
class CachedOutlines:
    """Outlines that earlier builds have left, by the diff IDs of layers; `write` has entries written."""

    prober: Prober
    write: Callable[[Left], None] | None
    platform: Platform
    _known: dict[Digest, LayerSource | None] = field(default_factory=dict)

    def find(self, layers: Sequence[Layer], *, are_wanted: bool) -> Mapping[Digest, LayerSource]:
        """Return the outlines that are known; those that are not yet are looked for side by side."""
        if not (are_wanted or self.write):
            return {}
        names = {name_of_outline(str(layer.diff_id)): layer.diff_id for layer in layers}
        unknown = {name: diff_id for name, diff_id in names.items() if diff_id not in self._known}
        for name, found in self.prober.probe(sorted(unknown)).items():
            self._known[unknown[name]] = _usable(found) if found else None
        known = ((diff_id, self._known[diff_id]) for diff_id in names.values())
        return {diff_id: outline for diff_id, outline in known if outline}

    def begin(self, layer: Layer) -> OutlineWriter | None:
        """Return what takes the outline of a layer, if it is not known."""
        return OutlineWriter() if self.write and not self._known.get(layer.diff_id) else None

    def end(self, layer: Layer, outline: OutlineWriter) -> None:
        """Have an outline written."""
        self.keep(layer, outline.finish())

    def learn(self, layer: Layer, outline: bytes) -> None:
        """Know an outline, as it is stored."""
        # Nobody asks for what is in it by a digest.
        self._known[layer.diff_id] = _source(Outline(outline, Digest.of(outline)))

    def within(self, layer: Layer, outline: Outline | None) -> bytes:
        """Return what of an outline an entry is to hold itself; a large one is written by itself."""
        if outline and len(outline.data) <= _MOST_WITHIN:
            return outline.data
        self.keep(layer, outline)
        return b""

    def keep(self, layer: Layer, outline: Outline | None) -> None:
        """Have an outline written by itself."""
        if outline is None or not self.write:
            return
        source = self._known[layer.diff_id] = _source(outline)
        name = name_of_outline(str(layer.diff_id))
        step = f"names in {layer.descriptor.digest}"
        now = int(time.time())
        self.write(Left([name], "", "", step, Trace(), self.platform, source, now))

    def leave(self, repository: Repository) -> None:
        """Forget outlines that a repository has."""
        known = [*self._known.items()]
        left = [diff_id for diff_id, outline in known if outline and outline.repository == repository]
        self._known.update(dict.fromkeys(left))

    def spoil(self, digest: Digest, why: str) -> bool:
        """Forget outlines that turned out to be of no use; tell whether there were any."""
        known = [*self._known.items()]
        spoiled = [diff_id for diff_id, outline in known if outline and _digest(outline) == digest]
        self._known.update(dict.fromkeys(spoiled))
        if spoiled:
            logger.warning("cache: the names in a layer are left out, and read from it itself: %s", why)
        return bool(spoiled)


def _usable(found: Found) -> LayerSource | None:
    """Return an outline that is not larger than it may be."""
    size = found.layer.layer.descriptor.size if found.layer else 0
    if size <= MOST_COMPRESSED:
        return found.layer
    logger.warning("cache: the names in a layer, in %s, are left out: they take %d bytes", found.store, size)
    return None


def _source(outline: Outline) -> LayerSource:
    descriptor = Descriptor(OCI_LAYER_ZSTD, Digest.of(outline.data), len(outline.data))
    return LocalLayer(Layer(descriptor, outline.diff_id), partial(io.BytesIO, outline.data))


def _digest(layer: LayerSource) -> Digest:
    return layer.layer.descriptor.digest
