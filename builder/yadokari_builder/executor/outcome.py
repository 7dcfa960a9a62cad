"""What a build made: layers with their place, config and manifest."""

from dataclasses import dataclass, replace

from yadokari_builder.executor.plan import ImageBase, Plan
from yadokari_builder.executor.steps import Step
from yadokari_builder.layers.pack import PackedLayer
from yadokari_builder.oci.config import History, ImageConfig
from yadokari_builder.oci.layer import Layer


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


def assemble_config(
    plan: Plan, finished: dict[int, tuple[FinishedStep, ...]], labels: dict[str, str], created: str
) -> ImageConfig:
    """Write the image's config: the base's history and diff IDs with those of the steps on top."""
    steps = [step for stage in plan.chain() for step in finished[stage.index]]
    image = plan.target.state.image
    layers = [*base_layers(plan), *(step.layer.layer for step in steps if step.layer)]
    return replace(
        image,
        created=created,
        config=replace(image.config, labels={**image.config.labels, **labels}),
        diff_ids=tuple(layer.diff_id for layer in layers),
        history=(*image.history, *(step.history for step in steps if step.history)),
    )
