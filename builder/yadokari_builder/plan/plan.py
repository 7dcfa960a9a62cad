"""Which stages a build needs, what they start from and what their steps will do.

Pure but for `base_image`, which asks a registry for an image's manifest and config: no layer is fetched and
no file touched. Stages that the target does not need are not evaluated and their bases not asked for.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from yadokari_builder.dockerfile.instructions import Copy, Instruction, Mount
from yadokari_builder.dockerfile.location import LanguageError, error_at
from yadokari_builder.dockerfile.parser import Dockerfile, Stage, parse_onbuild
from yadokari_builder.dockerfile.predefined import SCRATCH
from yadokari_builder.dockerfile.stages import StageGraph, out_of_order
from yadokari_builder.errors import BuilderError
from yadokari_builder.oci.image import Image
from yadokari_builder.oci.platform import Platform
from yadokari_builder.oci.reference import InvalidReferenceError, Reference
from yadokari_builder.plan.evaluate import StageState, begin, evaluate, inherit, scratch
from yadokari_builder.plan.needs import Files, needs_of
from yadokari_builder.plan.scope import Scope
from yadokari_builder.plan.steps import (
    ContextSource,
    EmptySource,
    ImageSource,
    Source,
    StageSource,
    Step,
)


@dataclass(frozen=True, slots=True)
class ImageBase:
    """An image of a registry, as it was found there."""

    reference: Reference
    image: Image


Base = ImageBase | StageSource | None
"""What a stage starts from; None is `scratch`."""


@dataclass(frozen=True, slots=True)
class PlannedStage:
    """A stage that the target needs: its base, its steps and the state that they lead to."""

    stage: Stage
    base: Base
    steps: tuple[Step, ...]
    state: StageState

    @property
    def index(self) -> int:
        """Place in the Dockerfile, counted from 0."""
        return self.stage.index

    @property
    def sources(self) -> frozenset[Source]:
        """Where its steps take files from."""
        return frozenset(source for step in self.steps for source in step.sources)


@dataclass(frozen=True, slots=True)
class Plan:
    """Stages in the order they are built in; the last one is the target.

    `needs` tells by a stage's index what must be there of the files that it starts from: for steps of its
    own, or for other stages. One that changes the configuration alone is made without looking at any file.
    """

    stages: tuple[PlannedStage, ...]
    needs: Mapping[int, Files]

    @property
    def target(self) -> PlannedStage:
        """The stage whose result is the image."""
        return self.stages[-1]

    @property
    def total_steps(self) -> int:
        """How many steps there are, each stage's FROM among them."""
        return sum(1 + len(stage.steps) for stage in self.stages)

    def with_content(self) -> "Plan":
        """Return the plan for a build in which names are not enough."""
        return replace(
            self, needs={index: Files.CONTENT if needs else needs for index, needs in self.needs.items()}
        )

    def chain(self) -> tuple[PlannedStage, ...]:
        """List the stages whose layers make up the target, from the bottom."""
        by_index = {stage.index: stage for stage in self.stages}
        chain = [self.target]
        while isinstance(chain[0].base, StageSource):
            chain.insert(0, by_index[chain[0].base.index])
        return tuple(chain)

    def readers(self, index: int) -> tuple[PlannedStage, ...]:
        """List the stages that need the files of stage `index`: to start from them or to copy some."""
        wanted = StageSource(index)
        return tuple(
            stage
            for stage in self.stages
            if wanted in stage.sources or (stage.base == wanted and self.needs[stage.index])
        )


def make_plan(
    dockerfile: Dockerfile,
    scope: Scope,
    target: str,
    base_image: Callable[[Reference, Platform], Image],
) -> Plan:
    """Plan the build of the stage named `target`, or of the last one where the name is empty.

    Raises `DockerfileError` for whatever is wrong in the Dockerfile, and what `base_image` raises.
    """
    graph = StageGraph.of(dockerfile, scope.global_args)
    planner = _Planner(graph, scope, base_image)
    last = planner.plan(graph.target(target))
    before = [planner.planned[index] for index in sorted(planner.planned) if index != last.index]
    stages = (*before, last)
    return Plan(stages, _needs(stages))


def _needs(stages: Sequence[PlannedStage]) -> dict[int, Files]:
    """Tell what is needed of the files that each stage starts from; those that read a stage come after it."""
    needs = dict.fromkeys((stage.index for stage in stages), Files.NONE)
    for stage in reversed(stages):
        needs[stage.index] = max([needs[stage.index], *map(needs_of, stage.steps)])
        for source in stage.sources:
            if isinstance(source, StageSource):
                needs[source.index] = Files.CONTENT
        if isinstance(stage.base, StageSource):
            needs[stage.base.index] = max(needs[stage.base.index], needs[stage.index])
    return needs


@dataclass(slots=True)
class _Planner:
    graph: StageGraph
    scope: Scope
    base_image: Callable[[Reference, Platform], Image]
    planned: dict[int, PlannedStage] = field(default_factory=dict)

    def plan(self, stage: Stage) -> PlannedStage:
        """Plan a stage after those that it needs."""
        if stage.index not in self.planned:
            base, state = self._base(stage)
            triggered = parse_onbuild(state.triggers, stage.location)
            for instruction in (*triggered, *stage.instructions):
                state = self._evaluate(state, instruction, stage)
            self.planned[stage.index] = PlannedStage(stage, base, state.steps, state)
        return self.planned[stage.index]

    def _base(self, stage: Stage) -> tuple[Base, StageState]:
        earlier = self.graph.base_of(stage)
        if earlier is not None:
            return StageSource(earlier.index), inherit(self.plan(earlier).state)
        base = self.graph.bases[stage.index]
        own = self.scope.platform
        platform = Platform.parse(base.platform, default=own) if base.platform else own
        if base.image == SCRATCH:
            return None, scratch(platform)
        reference = _reference(stage.base, base.image)
        try:
            image = self.base_image(reference, platform)
        except BuilderError as error:
            error.locate(stage.location.file, stage.location.start, stage.base.original)
            raise
        return ImageBase(reference, image), begin(image.config)

    def _evaluate(self, state: StageState, instruction: Instruction, stage: Stage) -> StageState:
        named = self.graph.source_of_copy(instruction) if isinstance(instruction, Copy) else None

        def source(mount: Mount | None) -> Source:
            return self._source(
                instruction, named if mount is None else self.graph.source_of_mount(mount), stage
            )

        return evaluate(state, instruction, self.scope, source)

    def _source(self, instruction: Instruction, found: Stage | str | None, stage: Stage) -> Source:
        if found is None:
            return ContextSource()
        if found == SCRATCH:
            return EmptySource()
        if isinstance(found, str):
            return ImageSource(_reference(instruction, found))
        if found.index >= stage.index:
            raise out_of_order(instruction, found, stage)
        self.plan(found)
        return StageSource(found.index)


def _reference(instruction: Instruction, name: str) -> Reference:
    try:
        return Reference.parse(name)
    except InvalidReferenceError as error:
        raise error_at(
            LanguageError(f'failed to parse stage name "{name}": {error.message}', name),
            instruction.location,
            instruction.original,
        ) from None
