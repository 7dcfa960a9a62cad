"""How stages hang together: which one is built on which, and which take files from others.

Names are looked up without regard to case, but for the base of a FROM, which must be written in lower case.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter

from yadokari_builder.dockerfile.bases import Base, read_base
from yadokari_builder.dockerfile.instructions import Copy, Instruction, Mount, Onbuild, Run
from yadokari_builder.dockerfile.listener import Listener
from yadokari_builder.dockerfile.location import LanguageError, blaming, error_at
from yadokari_builder.dockerfile.parser import Dockerfile, Stage, parse_onbuild
from yadokari_builder.dockerfile.predefined import SCRATCH
from yadokari_builder.dockerfile.quoting import quote
from yadokari_builder.dockerfile.suggestion import with_suggestion
from yadokari_builder.dockerfile.words import expand_word
from yadokari_builder.errors import DockerfileError
from yadokari_builder.oci.platform import Platform

StageOrImage = Stage | str
"""Where files come from: a stage, or an image by its name."""

Sources = tuple[tuple[Instruction, StageOrImage], ...]
"""The stages and images that instructions take files from."""


@dataclass(frozen=True, slots=True)
class StageGraph:
    """A Dockerfile's stages with what they need of each other.

    Bases and sources go by the stages' indexes: `bases` are their FROMs, `base_stages` the indexes of the
    stages that those name, `sources` where a stage's own instructions take files from. `names` are the
    stages' indexes by name.
    """

    stages: tuple[Stage, ...]
    bases: tuple[Base, ...]
    base_stages: tuple[int | None, ...]
    names: Mapping[str, int]
    sources: tuple[Sources, ...] = ()

    @classmethod
    def of(
        cls, dockerfile: Dockerfile, meta_env: Mapping[str, str], platform: Platform, listener: Listener
    ) -> "StageGraph":
        """Evaluate every FROM and check every reference, needed or not; raises DockerfileError.

        `platform` is that of stages that name none.
        """
        stages = dockerfile.stages
        listener.bases_begin(dockerfile, meta_env)
        bases = tuple(read_base(stage, meta_env, dockerfile.escape, platform, listener) for stage in stages)
        names: dict[str, int] = {}
        base_stages: list[int | None] = []
        for stage, base in zip(stages, bases, strict=True):
            # BuildKit refuses capitals here, docker before it and kaniko do not; no image has such a name.
            base_stages.append(names.get(base.image.lower()))
            if stage.name:
                names[stage.name] = stage.index  # of two stages with one name the later counts from here
        graph = cls(stages, bases, tuple(base_stages), names)
        sources = tuple(graph.sources_of(stage.instructions) for stage in stages)
        _refuse_circles(stages, sources)
        return replace(graph, sources=sources)

    def find(self, name: str) -> Stage | None:
        """Return the stage of a name; of two with one name the later counts."""
        index = self.names.get(name.lower())
        return None if index is None else self.stages[index]

    def target(self, name: str) -> Stage:
        """Return the stage to build, by its name or index; empty is the last one. Raises DockerfileError."""
        stage = self.find(name) if name else self.stages[-1]
        if stage is None and re.fullmatch("[0-9]{1,9}", name) and int(name) < len(self.stages):
            return self.stages[int(name)]
        if stage is None:
            known = map(stage_name, self.stages)
            error = with_suggestion(f"target stage {quote(name)} could not be found", name, known)
            raise DockerfileError(error.message, file=self.stages[0].location.file)
        return stage

    def base_of(self, stage: Stage) -> Stage | None:
        """Return the earlier stage that a stage is built on, None if that is an image or scratch."""
        index = self.base_stages[stage.index]
        return None if index is None else self.stages[index]

    def triggers_for(self, stage: Stage) -> tuple[Instruction, ...]:
        """Return the ONBUILDs of the stage that a stage is built on; raises DockerfileError."""
        base = self.base_of(stage)
        onbuilds = [one.expression for one in base.instructions if isinstance(one, Onbuild)] if base else []
        return parse_onbuild(onbuilds, stage.location)

    def source_of_copy(self, copy: Copy) -> StageOrImage | None:
        """Return where COPY takes files from, None for the build context. Raises DockerfileError."""
        if not copy.from_:
            return None
        with blaming(copy.location, copy.original):
            if expand_word(copy.from_, {}) != copy.from_:
                raise LanguageError(
                    "variable expansion is not supported for --from, define a new stage with FROM using "
                    "ARG from global scope as a workaround",
                    copy.from_,
                )
            if re.fullmatch(r"[+-]?[0-9]{1,9}", copy.from_):
                index = int(copy.from_)
                if not 0 <= index < len(self.stages):
                    raise LanguageError(f"invalid stage index {index}", copy.from_)
                return self.stages[index]
        return self.find(copy.from_) or copy.from_

    def source_of_mount(self, mount: Mount) -> StageOrImage | None:
        """Return where a mount takes files from: None is the build context, or for a cache nothing."""
        if not mount.from_:
            return None
        return self.find(mount.from_) or mount.from_

    def sources_of(self, instructions: Iterable[Instruction]) -> Sources:
        """List the stages and images that instructions take files from; raises DockerfileError."""
        sources: list[tuple[Instruction, StageOrImage]] = []
        for instruction in instructions:
            found: list[StageOrImage | None] = []
            if isinstance(instruction, Copy):
                found = [self.source_of_copy(instruction)]
            elif isinstance(instruction, Run):
                found = [self.source_of_mount(mount) for mount in instruction.mounts]
            sources += ((instruction, source) for source in found if source is not None and source != SCRATCH)
        return tuple(sources)

    def reachable(
        self, targets: Sequence[Stage], triggers: Mapping[int, Sequence[Instruction]]
    ) -> tuple[Stage, ...]:
        """Return the stages that the targets need, and themselves, in the order they are written.

        `triggers` are the ONBUILD triggers that stages run, as far as they are known, by the stages' indexes:
        they may need stages that nobody else needs. Raises DockerfileError.
        """
        needed = {target.index for target in targets}
        waiting = list(targets)
        while waiting:
            stage = waiting.pop()
            base = self.base_of(stage)
            sources = (*self.sources_of(triggers.get(stage.index, ())), *self.sources[stage.index])
            for other in (base, *(source for _, source in sources)):
                if isinstance(other, Stage) and other.index not in needed:
                    needed.add(other.index)
                    waiting.append(other)
        return tuple(stage for stage in self.stages if stage.index in needed)


def stage_name(stage: Stage) -> str:
    """Return a stage's name, or what stands for it in messages."""
    return stage.name or f"stage-{stage.index}"


def _refuse_circles(stages: Sequence[Stage], sources: Sequence[Sources]) -> None:
    edges = {
        index: {source.index: instruction for instruction, source in found if isinstance(source, Stage)}
        for index, found in enumerate(sources)
    }
    try:
        TopologicalSorter(edges).prepare()
    except CycleError as error:
        circle = error.args[1][1:]
        first = min(circle)
        # The sorter lists each stage before the one that needs it.
        needed = circle[circle.index(first) - 1]
        instruction = edges[first][needed]
        message = f"circular dependency detected on stage: {stage_name(stages[first])}"
        raise error_at(LanguageError(message), instruction.location, instruction.original) from None
