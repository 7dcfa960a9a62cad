"""How stages hang together: which one is built on which, and which take files from others.

Names are looked up without regard to case, but for the base of a FROM, which must be written in lower case.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from yadokari_builder.dockerfile.expand import expand_from
from yadokari_builder.dockerfile.instructions import Copy, From, Instruction, Mount, Onbuild, Run
from yadokari_builder.dockerfile.location import LanguageError, blaming, error_at
from yadokari_builder.dockerfile.parser import Dockerfile, Stage, parse_onbuild
from yadokari_builder.dockerfile.predefined import SCRATCH
from yadokari_builder.dockerfile.quoting import quote
from yadokari_builder.dockerfile.suggestion import with_suggestion
from yadokari_builder.dockerfile.words import expand_word
from yadokari_builder.errors import DockerfileError

Source = Stage | str
"""Where files come from: a stage, or an image by its name."""


@dataclass(frozen=True, slots=True)
class StageGraph:
    """A Dockerfile's stages with what they need of each other.

    Bases and triggers go by the stages' indexes: `bases` are the FROMs with their variables replaced,
    `base_stages` the indexes of the stages that they name, `triggers` the instructions that a stage runs
    before its own, the ONBUILDs of the stage it is built on. `names` are the stages' indexes by name.
    """

    stages: tuple[Stage, ...]
    bases: tuple[From, ...]
    base_stages: tuple[int | None, ...]
    triggers: tuple[tuple[Instruction, ...], ...]
    names: Mapping[str, int]

    @classmethod
    def of(cls, dockerfile: Dockerfile, meta_env: Mapping[str, str]) -> "StageGraph":
        """Evaluate every FROM and check every reference, reachable or not; raises DockerfileError."""
        stages = dockerfile.stages
        bases = tuple(expand_from(stage.base, meta_env, dockerfile.escape) for stage in stages)
        names: dict[str, int] = {}
        base_stages: list[int | None] = []
        for stage, base in zip(stages, bases, strict=True):
            base_stages.append(names.get(base.image))
            if stage.name:
                names[stage.name] = stage.index  # of two stages with one name the later counts from here
        triggers = tuple(
            () if index is None else _triggers(stages[index], stage)
            for stage, index in zip(stages, base_stages, strict=True)
        )
        graph = cls(stages, bases, tuple(base_stages), triggers, names)
        graph._refuse_circles()
        return graph

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
            known = map(_name, self.stages)
            error = with_suggestion(f"target stage {quote(name)} could not be found", name, known)
            raise DockerfileError(error.message, file=self.stages[0].location.file)
        return stage

    def base_of(self, stage: Stage) -> Stage | None:
        """Return the earlier stage that a stage is built on, None if that is an image or scratch."""
        index = self.base_stages[stage.index]
        return None if index is None else self.stages[index]

    def source_of_copy(self, copy: Copy) -> Source | None:
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

    def source_of_mount(self, mount: Mount) -> Source | None:
        """Return where a mount takes files from: None is the build context, or for a cache nothing."""
        if not mount.from_:
            return None
        return self.find(mount.from_) or mount.from_

    def sources(self, instructions: Iterable[Instruction]) -> Iterator[tuple[Instruction, Source]]:
        """Yield the stages and images that instructions take files from."""
        for instruction in instructions:
            found: list[Source | None] = []
            if isinstance(instruction, Copy):
                found = [self.source_of_copy(instruction)]
            elif isinstance(instruction, Run):
                found = [self.source_of_mount(mount) for mount in instruction.mounts]
            yield from ((instruction, source) for source in found if source not in (None, SCRATCH))

    def reachable(
        self, target: Stage, image_triggers: Mapping[int, Sequence[Instruction]] | None = None
    ) -> tuple[Stage, ...]:
        """Return the stages that the target needs, and itself, in the order they are written.

        `image_triggers` are ONBUILD triggers of base images, by the index of the stage that runs them: they
        may need stages that nobody else needs. Raises DockerfileError for a source that comes after its use.
        """
        needed = {target.index}
        waiting = [target]
        while waiting:
            stage = waiting.pop()
            triggers = (image_triggers or {}).get(stage.index, ())
            for other in self._needs(stage, triggers):
                if other.index not in needed:
                    needed.add(other.index)
                    waiting.append(other)
        return tuple(stage for stage in self.stages if stage.index in needed)

    def _needs(self, stage: Stage, image_triggers: Sequence[Instruction]) -> Iterator[Stage]:
        if base := self.base_of(stage):
            yield base
        for instruction, source in self.sources([*image_triggers, *self._own(stage)]):
            if isinstance(source, Stage):
                if source.index >= stage.index:
                    raise out_of_order(instruction, source, stage)
                yield source

    def _own(self, stage: Stage) -> tuple[Instruction, ...]:
        return self.triggers[stage.index] + stage.instructions

    def _refuse_circles(self) -> None:
        edges = {
            stage.index: {
                source.index: instruction
                for instruction, source in self.sources(self._own(stage))
                if isinstance(source, Stage)
            }
            for stage in self.stages
        }
        try:
            TopologicalSorter(edges).prepare()
        except CycleError as error:
            circle = error.args[1][1:]
            first = min(circle)
            # The sorter lists each stage before the one that needs it.
            needed = circle[circle.index(first) - 1]
            instruction = edges[first][needed]
            message = f"circular dependency detected on stage: {_name(self.stages[first])}"
            raise error_at(LanguageError(message), instruction.location, instruction.original) from None


def _triggers(base: Stage, stage: Stage) -> tuple[Instruction, ...]:
    onbuilds = (one for one in base.instructions if isinstance(one, Onbuild))
    return parse_onbuild([onbuild.expression for onbuild in onbuilds], stage.location)


def _name(stage: Stage) -> str:
    return stage.name or f"stage-{stage.index}"


def out_of_order(instruction: Instruction, source: Stage, stage: Stage) -> DockerfileError:
    """Return the error for files taken from a stage that does not come before their use."""
    name = _name(source)
    if isinstance(instruction, Copy):
        message = (
            f"cannot copy from stage {quote(instruction.from_)}, "
            f"it needs to be defined before current stage {quote(_name(stage))}"
        )
    else:
        message = f"cannot mount from stage {quote(name)}, stage needs to be defined before current command"
    return error_at(LanguageError(message, name), instruction.location, instruction.original)
