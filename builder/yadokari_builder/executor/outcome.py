"""What a build made: layers with their place, config and manifest."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from yadokari_builder.executor.plan import ImageBase, Plan
from yadokari_builder.executor.steps import Step
from yadokari_builder.layers.pack import PackedLayer
from yadokari_builder.oci import media_types
from yadokari_builder.oci.config import History
from yadokari_builder.oci.descriptor import Descriptor
from yadokari_builder.oci.digest import Digest
from yadokari_builder.oci.image import Image
from yadokari_builder.oci.layer import Layer
from yadokari_builder.oci.manifest import Manifest


@dataclass(frozen=True, slots=True)
class FinishedStep:
    """A step, when it was done (RFC 3339), and the layer that it left, if it changed any file."""

    step: Step
    created: str
    layer: PackedLayer | None

    @property
    def history(self) -> History | None:
        """Its entry in the image's history."""
        if self.step.history is None:
            return None
        return replace(self.step.history, created=self.created, empty_layer=self.layer is None)


def base_layers(plan: Plan) -> tuple[Layer, ...]:
    """List the layers of the image that the target's chain of stages starts from."""
    lowest = plan.chain()[0].base
    return lowest.image.layers if isinstance(lowest, ImageBase) else ()


def assemble(
    plan: Plan, finished: Mapping[int, tuple[FinishedStep, ...]], labels: Mapping[str, str], created: str
) -> Image:
    """Put the image together: the base's layers and history with those of the steps on top.

    The manifest is of the base's kind, OCI or Docker; an image from scratch is OCI's.
    """
    steps = [step for stage in plan.chain() for step in finished[stage.index]]
    layers = (*base_layers(plan), *(step.layer.layer for step in steps if step.layer))
    state = plan.target.state.image
    config = replace(
        state,
        created=created,
        config=replace(state.config, labels=MappingProxyType({**state.config.labels, **labels})),
        diff_ids=tuple(layer.diff_id for layer in layers),
        history=(*state.history, *(step.history for step in steps if step.history)),
    )
    converted = media_types.as_oci if _is_oci(plan) else media_types.as_docker
    data = config.format()
    manifest = Manifest(
        converted(media_types.OCI_MANIFEST),
        Descriptor(converted(media_types.OCI_CONFIG), Digest.of(data), len(data)),
        tuple(replace(each.descriptor, media_type=converted(each.descriptor.media_type)) for each in layers),
    )
    return Image.of(Digest.of(manifest.format()), manifest, config)


def _is_oci(plan: Plan) -> bool:
    lowest = plan.chain()[0].base
    return not isinstance(lowest, ImageBase) or media_types.is_oci(lowest.image.manifest.media_type)
