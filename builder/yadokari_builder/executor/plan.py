"""Which stages a build needs, what they start from and what their steps will do.

Pure but for `base_image`, which asks a registry for an image's manifest and config: no layer is fetched and
no file touched. Stages that the target does not need are not evaluated and their bases not asked for.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from yadokari_builder.dockerfile.expand import expand_from
from yadokari_builder.dockerfile.instructions import Copy, Instruction, Run
from yadokari_builder.dockerfile.location import LanguageError, error_at
from yadokari_builder.dockerfile.parser import Dockerfile, Stage, parse_onbuild
from yadokari_builder.errors import BuilderError, DockerfileError
from yadokari_builder.executor.evaluate import StageState, begin, evaluate, inherit, scratch
from yadokari_builder.executor.scope import Scope
from yadokari_builder.executor.steps import ContextSource, ImageSource, Source, StageSource, Step
from yadokari_builder.oci.image import Image
from yadokari_builder.oci.platform import Platform
from yadokari_builder.oci.reference import InvalidReferenceError, Reference

SCRATCH = "scratch"


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
    """Stages in the order they are built in; the last one is the target."""

    stages: tuple[PlannedStage, ...]

    @property
    def target(self) -> PlannedStage:
        """The stage whose result is the image."""
        return self.stages[-1]

    @property
    def total_steps(self) -> int:
        """How many steps there are, each stage's FROM among them."""
        return sum(1 + len(stage.steps) for stage in self.stages)

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
        return tuple(stage for stage in self.stages if stage.base == wanted or wanted in stage.sources)


def make_plan(
    dockerfile: Dockerfile,
    scope: Scope,
    target: str,
    base_image: Callable[[Reference, Platform], Image],
) -> Plan:
    """Plan the build of stage `target` (a name or an index; empty for the last stage).

    Raises `DockerfileError` for whatever is wrong in the Dockerfile, and what `base_image` raises.
    """
    planner = _Planner(dockerfile, scope, base_image)
    last = planner.plan(_find_target(dockerfile, target))
    before = [planner.planned[index] for index in sorted(planner.planned) if index != last.index]
    return Plan((*before, last))


@dataclass(slots=True)
class _Planner:
    dockerfile: Dockerfile
    scope: Scope
    base_image: Callable[[Reference, Platform], Image]
    planned: dict[int, PlannedStage] = field(default_factory=dict)
    underway: list[int] = field(default_factory=list)

    def plan(self, stage: Stage) -> PlannedStage:
        if stage.index in self.planned:
            return self.planned[stage.index]
        if stage.index in self.underway:
            raise _error(stage.base, f"circular dependency detected on stage: {stage.name or stage.index}")
        self.underway.append(stage.index)
        base, state = self._base(stage)
        triggered = parse_onbuild(state.triggers, stage.location)
        for instruction in (*triggered, *stage.instructions):
            state = self._evaluate(state, instruction, stage)
        self.underway.pop()
        planned = PlannedStage(stage, base, state.steps, state)
        self.planned[stage.index] = planned
        return planned

    def _base(self, stage: Stage) -> tuple[Base, StageState]:
        base = expand_from(stage.base, self.scope.global_args, self.scope.escape)
        earlier = find_stage(self.dockerfile.stages[: stage.index], base.image)
        if earlier is not None:
            return StageSource(earlier.index), inherit(self.plan(earlier).state)
        platform = Platform.parse(base.platform) if base.platform else self.scope.platform
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
        def source(name: str) -> Source:
            return self._source(instruction, name, stage)

        return evaluate(state, instruction, self.scope, source)

    def _source(self, instruction: Instruction, name: str, stage: Stage) -> Source:
        """Find what `--from` and `from=` name: an earlier stage by name or index, or an image."""
        if not name:
            return ContextSource()
        found = find_stage(self.dockerfile.stages, name.lower())
        if name.isdecimal() and isinstance(instruction, Copy):
            found = self._stage_at(instruction, int(name))
        if found is None:
            return ImageSource(_reference(instruction, name))
        if found.index == stage.index:
            raise _error(instruction, f"circular dependency detected on stage: {name}")
        if found.index > stage.index:
            verb = "mount" if isinstance(instruction, Run) else "copy"
            raise _error(
                instruction,
                f'cannot {verb} from stage "{name}", it needs to be defined before current stage'
                f' "{stage.name or stage.index}"',
            )
        self.plan(found)
        return StageSource(found.index)

    def _stage_at(self, instruction: Instruction, index: int) -> Stage:
        if index >= len(self.dockerfile.stages):
            raise _error(instruction, f"invalid stage index {index}")
        return self.dockerfile.stages[index]


def find_stage(stages: Sequence[Stage], name: str) -> Stage | None:
    """Find the last stage of a name, which is in lower case."""
    return next((stage for stage in reversed(stages) if stage.name == name), None)


def _find_target(dockerfile: Dockerfile, target: str) -> Stage:
    stages = dockerfile.stages
    if not target:
        return stages[-1]
    found = find_stage(stages, target.lower())
    if found is None and target.isdecimal() and int(target) < len(stages):
        found = stages[int(target)]
    if found is None:
        names = [stage.name or str(stage.index) for stage in stages]
        raise DockerfileError(
            f'target stage "{target}" could not be found: the stages are {", ".join(names)}',
            file=stages[0].location.file,
        )
    return found


def _reference(instruction: Instruction, name: str) -> Reference:
    try:
        return Reference.parse(name)
    except InvalidReferenceError as error:
        raise _error(instruction, f'failed to parse stage name "{name}": {error.message}') from None


def _error(instruction: Instruction, message: str) -> DockerfileError:
    return error_at(LanguageError(message), instruction.location, instruction.original)
