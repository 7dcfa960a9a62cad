"""Which stage can be built in the root of a container that is its base image."""

from dataclasses import dataclass

from yadokari_builder.oci.reference import Reference
from yadokari_builder.plan.plan import Plan, PlannedStage
from yadokari_builder.plan.steps import Files
from yadokari_builder.registry.pull import PulledImage
from yadokari_contract.results.lodging import NotLodged


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a base has to be unpacked though it may stand in the root, for machines and for people."""

    reason: NotLodged
    message: str


def lodger(plan: Plan, image: Reference) -> PlannedStage | Refusal:
    """Choose the stage that begins in a root which holds `image`, named by its manifest's digest.

    It is the first one that works in the root, for another one has to empty that, and one whose files no
    other stage wants: to put aside what an overlay has in its lower layers is to copy it.
    """
    bases = [stage for stage in plan.stages if isinstance(stage.base, PulledImage)]
    those = [stage for stage in bases if _digest(stage) == str(image.digest)]
    if not those:
        found = ", ".join(f"{stage.stage.base.original} is {_digest(stage)}" for stage in bases[:1])
        what = f"no stage starts from {image.digest}"
        return Refusal(NotLodged.OTHER_IMAGE, f"{what}: {found}" if found else what)
    working = [stage for stage in plan.stages if _works(stage, plan)]
    wanting = [stage for stage in those if plan.needs[stage.index] is not Files.NONE]
    if not wanting:
        return Refusal(NotLodged.NOT_NEEDED, "no step needs files of the base")
    stage = wanting[0]
    if stage is not working[0]:
        why = f"stage {working[0].name} needs the root before stage {stage.name}"
        return Refusal(NotLodged.OTHER_STAGES, why)
    if plan.read_by[stage.index]:
        reader = next(each for each in plan.stages if each.index in plan.read_by[stage.index])
        return Refusal(NotLodged.OTHER_STAGES, f"stage {reader.name} takes files of stage {stage.name}")
    return stage


def offer(plan: Plan) -> Reference | None:
    """Name the image, by its manifest's digest, in whose own container a stage can be built."""
    for stage in plan.stages:
        if isinstance(stage.base, PulledImage):
            image = Reference(stage.base.reference.repository, None, stage.base.image.manifest_digest)
            if not isinstance(lodger(plan, image), Refusal):
                return image
    return None


def _digest(stage: PlannedStage) -> str:
    return str(stage.base.image.manifest_digest) if isinstance(stage.base, PulledImage) else ""


def _works(stage: PlannedStage, plan: Plan) -> bool:
    """Tell whether a stage changes what is in the root."""
    return bool(plan.needs[stage.index]) or any(step.action for step in stage.steps)
