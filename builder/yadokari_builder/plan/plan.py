"""A plan: the stages that a build needs, what they start from and what their steps do."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from yadokari_builder.dockerfile.parser import Stage
from yadokari_builder.plan.state import StageState
from yadokari_builder.plan.steps import Files, ImageSource, Source, StageSource, Step
from yadokari_builder.registry.pull import PulledImage

Base = PulledImage | StageSource | None
"""What a stage starts from: an image as it was found, an earlier stage, or nothing (`scratch`)."""


@dataclass(frozen=True, slots=True)
class PlannedStage:
    """A stage that the target needs: its base, its steps and the state that they lead to.

    It `is_bare` if nothing but COPY has put files into what it starts from.
    """

    stage: Stage
    base: Base
    steps: tuple[Step, ...]
    state: StageState
    is_bare: bool

    @property
    def index(self) -> int:
        """Place in the Dockerfile, counted from 0."""
        return self.stage.index

    @property
    def name(self) -> str:
        """What it is called: by its name, or its number where it has none."""
        return self.stage.name or str(self.index)

    @property
    def sources(self) -> frozenset[Source]:
        """Where its steps take files from."""
        return frozenset(source for step in self.steps for source in step.sources)


@dataclass(frozen=True, slots=True)
class Plan:
    """Stages in the order they are built in; the one at `target_index` in the Dockerfile is the image.

    `needs` tells by a stage's index what must be there of the files that it starts from: for steps of its
    own, or for other stages. One that changes the configuration alone is made without looking at any file.
    `read_by` are the indexes of the stages, in order, that need a stage's files. `epoch` is the latest time
    that anything in the image may have, in seconds, where the Dockerfile says so (SOURCE_DATE_EPOCH).
    """

    stages: tuple[PlannedStage, ...]
    target_index: int
    needs: Mapping[int, Files]
    read_by: Mapping[int, tuple[int, ...]]
    epoch: int | None = None

    @property
    def target(self) -> PlannedStage:
        """The stage whose result is the image."""
        return next(stage for stage in self.stages if stage.index == self.target_index)

    @property
    def last(self) -> PlannedStage:
        """The stage that is built last: the target, or one that is built beside it."""
        return self.stages[-1]

    @property
    def total_steps(self) -> int:
        """How many steps there are, each stage's FROM among them."""
        return sum(1 + len(stage.steps) for stage in self.stages)

    @property
    def images(self) -> tuple[PulledImage, ...]:
        """The images that stages start from and take files from, each once and in order of their names."""
        bases = (stage.base for stage in self.stages if isinstance(stage.base, PulledImage))
        sources = (source for stage in self.stages for source in stage.sources)
        taken = (source.found for source in sources if isinstance(source, ImageSource))
        by_name = {str(image.reference): image for image in (*bases, *taken)}
        return tuple(by_name[name] for name in sorted(by_name))

    def with_content(self) -> "Plan":
        """Return the plan for a build in which names are not enough."""
        return replace(
            self, needs={index: Files.CONTENT if needs else needs for index, needs in self.needs.items()}
        )

    def chain(self) -> tuple[PlannedStage, ...]:
        """List the stages whose layers make up the target, from the bottom."""
        by_index = {stage.index: stage for stage in self.stages}
        chain = [self.target]
        while isinstance(base := chain[-1].base, StageSource):
            chain.append(by_index[base.index])
        return tuple(reversed(chain))

    def last_read_by(self, stage: PlannedStage) -> tuple[int, ...]:
        """List the indexes of the stages whose files nobody needs once this one is done."""
        read = {source.index for source in (stage.base, *stage.sources) if isinstance(source, StageSource)}
        return tuple(sorted(index for index in read if self.read_by[index][-1:] == (stage.index,)))
