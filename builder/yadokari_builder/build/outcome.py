"""What a build made: layers with their place, config and manifest."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from yadokari_builder.build.options import needs_oci
from yadokari_builder.layers.pack import PackedLayer
from yadokari_builder.oci.config import History
from yadokari_builder.oci.image import Image, manifest_type_on
from yadokari_builder.oci.media_types import DOCKER_MANIFEST, OCI_MANIFEST
from yadokari_builder.plan.plan import Plan
from yadokari_builder.plan.steps import Step
from yadokari_builder.registry.pull import PulledImage
from yadokari_builder.registry.source import LayerSource
from yadokari_contract.spec import INPUTS_MARK, BuildSpec

Made = PackedLayer | LayerSource
"""A layer that a step left, here or in an earlier build."""


@dataclass(frozen=True, slots=True)
class FinishedStep:
    """A step, when it was done (RFC 3339), and the layer that it left, if it changed any file."""

    step: Step
    created: str
    layer: Made | None

    @property
    def history(self) -> History | None:
        """Its entry in the image's history."""
        if self.step.history is None:
            return None
        return replace(self.step.history, created=self.created, empty_layer=self.layer is None)


def assemble(
    plan: Plan, finished: Mapping[int, tuple[FinishedStep, ...]], spec: BuildSpec, created: str
) -> Image:
    """Put the image together: the base's layers and history with those of the steps on top.

    The manifest is of the kind that is asked for. Else it is OCI's for what Docker's does not know,
    annotations and zstd, and for an image from scratch, or of the base's kind.
    """
    base = _base_image(plan)
    steps = [step for stage in plan.chain() for step in finished[stage.index]]
    layers = (*(base.layers if base else ()), *(step.layer.layer for step in steps if step.layer))
    state = plan.target.state.image
    labels = {**state.config.labels, **spec.labels}
    # Not that of a base, nor what a Dockerfile would have this image taken for.
    labels.pop(INPUTS_MARK, None)
    config = replace(
        state,
        created=created,
        config=replace(state.config, labels=MappingProxyType(labels | _mark(spec))),
        diff_ids=tuple(layer.diff_id for layer in layers),
        history=(*state.history, *(step.history for step in steps if step.history)),
    )
    return Image.assemble(config, layers, _manifest_type(spec, base), spec.annotations)


def _mark(spec: BuildSpec) -> dict[str, str]:
    """Tell what the image is made of; the index that takes it up tells that of all its images."""
    return {INPUTS_MARK: spec.inputs_hash} if spec.inputs_hash and not spec.push_by_digest else {}


def _manifest_type(spec: BuildSpec, base: Image | None) -> str:
    match spec.image_format:
        case "docker":
            return DOCKER_MANIFEST
        case "oci":
            return OCI_MANIFEST
    return OCI_MANIFEST if needs_oci(spec) else manifest_type_on(base)


def _base_image(plan: Plan) -> Image | None:
    lowest = plan.chain()[0].base
    return lowest.image if isinstance(lowest, PulledImage) else None
