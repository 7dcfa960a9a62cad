"""Which stages a build needs, what they start from and what their steps will do.

Pure but for `find_image`, which asks a registry for an image's manifest and config: no layer is fetched and
no file touched. Stages that the target does not need are not evaluated and their bases not asked for.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from yadokari_builder.dockerfile.instructions import Add, Copy, Instruction, Mount
from yadokari_builder.dockerfile.listener import Listener
from yadokari_builder.dockerfile.location import LanguageError, error_at
from yadokari_builder.dockerfile.parser import Dockerfile, Stage, parse_onbuild
from yadokari_builder.dockerfile.predefined import SCRATCH
from yadokari_builder.dockerfile.quoting import quote
from yadokari_builder.dockerfile.stages import StageGraph, stage_name
from yadokari_builder.errors import BuilderError
from yadokari_builder.oci.platform import Platform
from yadokari_builder.oci.reference import InvalidReferenceError, Reference
from yadokari_builder.plan.evaluate import Evaluator
from yadokari_builder.plan.needs import needs_of_stages, readers_of_stages
from yadokari_builder.plan.plan import Base, Plan, PlannedStage
from yadokari_builder.plan.scope import Scope
from yadokari_builder.plan.state import StageState, begin, inherit, scratch
from yadokari_builder.plan.steps import (
    ContextSource,
    EmptySource,
    ImageSource,
    RunAction,
    Source,
    StageSource,
)
from yadokari_builder.registry.pull import FindImage, PulledImage
from yadokari_contract.suggestion import suggest

logger = logging.getLogger(__name__)

_COMMON_IMAGES = ("alpine", "busybox", "centos", "debian", "golang", "ubuntu", "fedora")


def make_plan(
    dockerfile: Dockerfile,
    scope: Scope,
    targets: Sequence[str],
    find_image: FindImage,
    listener: Listener,
) -> Plan:
    """Plan the build of the stages named by `targets`, of which the first is the image, or of the last one.

    Raises `DockerfileError` for whatever is wrong in the Dockerfile, and what `find_image` raises.
    """
    graph = StageGraph.of(dockerfile, scope.global_args, scope.platform, listener)
    wanted = [graph.target(name) for name in targets or ("",)]
    planner = _Planner(graph, scope, find_image, Evaluator(scope, listener))
    planner.check_names()
    for stage in planner.find_what_is_needed(wanted):
        planner.evaluate(stage)
    stages = tuple(planner.planned.values())
    needs = needs_of_stages(stages)
    return Plan(stages, wanted[0].index, needs, readers_of_stages(stages, needs), scope.epoch)


@dataclass(slots=True)
class _Planner:
    """Finds what stages start from and take files from; then evaluates each of them once, in order."""

    graph: StageGraph
    scope: Scope
    find_image: FindImage
    evaluator: Evaluator
    bases: dict[int, Base] = field(default_factory=dict)
    triggers: dict[int, tuple[Instruction, ...]] = field(default_factory=dict)
    images: dict[Reference, PulledImage] = field(default_factory=dict)
    planned: dict[int, PlannedStage] = field(default_factory=dict)

    def check_names(self) -> None:
        """Refuse names of images that cannot be; as in BuildKit those of stages that nobody needs count."""
        for stage in self.graph.stages:
            name = self.graph.bases[stage.index].image
            if self.graph.base_of(stage) is None and name != SCRATCH:
                _reference(stage.base, name)
            for instruction, source in self.graph.sources[stage.index]:
                if isinstance(source, str):
                    _reference(instruction, source)

    def find_what_is_needed(self, targets: Sequence[Stage]) -> tuple[Stage, ...]:
        """Find all bases and images that the targets need; returns the stages that they need, in order."""
        while True:
            stages = self.graph.reachable(targets, self.triggers)
            found = [stage for stage in stages if stage.index not in self.bases]
            if not found:
                return stages
            # The triggers of these may need more stages.
            for stage in found:
                self._find(stage)

    def _find(self, stage: Stage) -> None:
        base = self.bases[stage.index] = self._base(stage)
        if isinstance(base, PulledImage):
            triggers = parse_onbuild(base.image.config.config.on_build, stage.location)
        else:
            triggers = self.graph.triggers_for(stage)
        self.triggers[stage.index] = triggers
        for instruction, source in (*self.graph.sources_of(triggers), *self.graph.sources[stage.index]):
            if isinstance(source, str):
                reference = _reference(instruction, source)
                if reference not in self.images:
                    self.images[reference] = self._image(instruction, source, self.scope.platform)

    def _base(self, stage: Stage) -> Base:
        earlier = self.graph.base_of(stage)
        if earlier is not None:
            return StageSource(earlier.index)
        base = self.graph.bases[stage.index]
        return None if base.image == SCRATCH else self._image(stage.base, base.image, base.platform)

    def _image(self, instruction: Instruction, name: str, platform: Platform) -> PulledImage:
        meant = suggest(name, (stage.name for stage in self.graph.stages if stage.name))
        if meant:
            # Told at once: a registry that does not answer is waited for.
            logger.info("no stage is called %s, so it is an image's name (did you mean %s?)", name, meant)
        try:
            return self.find_image(_reference(instruction, name), platform)
        except BuilderError as error:
            error.message += _hint(name, meant)
            error.locate(instruction.location.file, instruction.location.start, instruction.original)
            raise

    def evaluate(self, stage: Stage) -> None:
        """Evaluate a stage; those before it that it needs have been."""
        base = self.bases[stage.index]
        found = base.image.config.platform if isinstance(base, PulledImage) else None
        self.evaluator.listener.stage_begins(stage, self.graph.bases[stage.index].platform, found)
        instructions = (*self.triggers[stage.index], *stage.instructions)
        steps, state = self.evaluator.evaluate(
            self._start(stage, base), instructions, partial(self._source, stage)
        )
        self.planned[stage.index] = PlannedStage(stage, base, steps, state, self._is_bare(base))

    def _start(self, stage: Stage, base: Base) -> StageState:
        match base:
            case StageSource(index):
                return inherit(self.planned[index].state)
            case PulledImage():
                return begin(base.image.config)
            case None:
                return scratch(self.graph.bases[stage.index].platform)

    def _is_bare(self, base: Base) -> bool:
        if not isinstance(base, StageSource):
            return base is None
        below = self.planned[base.index]
        return below.is_bare and not any(isinstance(step.action, RunAction) for step in below.steps)

    def _source(self, stage: Stage, wanted: Copy | Add | Mount) -> Source:
        match wanted:
            case Copy():
                found = self.graph.source_of_copy(wanted)
            case Mount():
                found = self.graph.source_of_mount(wanted)
            case Add():
                found = None
        if found is None:
            return ContextSource()
        if found == SCRATCH:
            return EmptySource()
        if isinstance(found, str):
            reference = Reference.parse(found)
            return ImageSource(reference, self.images[reference])
        if found.index not in self.planned:
            raise _out_of_order(wanted, stage)
        return StageSource(found.index)


def _hint(name: str, stage: str) -> str:
    """Name the stage, or else the common image, that may have been meant by an image's name."""
    if stage:
        return f" (did you mean the stage {stage}?)"
    meant = suggest(name, _COMMON_IMAGES)
    return f" (did you mean {meant}?)" if meant else ""


def _out_of_order(wanted: Copy | Add | Mount, stage: Stage) -> LanguageError:
    """Return the error for files taken from a stage that does not come before their use."""
    if isinstance(wanted, Mount):
        return LanguageError(
            f"cannot mount from stage {quote(wanted.from_)} to {quote(wanted.target)}, stage needs to be "
            "defined before current command",
            wanted.from_,
        )
    assert isinstance(wanted, Copy)
    return LanguageError(
        f"cannot copy from stage {quote(wanted.from_)}, it needs to be defined before current stage "
        f"{quote(stage_name(stage))}",
        wanted.from_,
    )


def _reference(instruction: Instruction, name: str) -> Reference:
    try:
        return Reference.parse(name)
    except InvalidReferenceError as error:
        raise error_at(
            LanguageError(f"failed to parse stage name {quote(name)}: {error.message}", name),
            instruction.location,
            instruction.original,
        ) from None
