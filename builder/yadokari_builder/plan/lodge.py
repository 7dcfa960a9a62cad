"""Which stage can be built in the root of a container that is its base image."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from yadokari_builder.oci.digest import Digest
from yadokari_builder.oci.platform import Platform
from yadokari_builder.oci.reference import Reference
from yadokari_builder.plan.needs import readers_of_stages
from yadokari_builder.plan.plan import Base, Plan, PlannedStage
from yadokari_builder.plan.steps import (
    BindRequest,
    CacheRequest,
    CopyAction,
    Files,
    LocalFiles,
    LocalPaths,
    RunAction,
    StageSource,
)
from yadokari_builder.registry.pull import PulledImage
from yadokari_contract.results.lodging import NotLodged


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a base has to be unpacked though it may stand in the root, for machines and for people."""

    reason: NotLodged
    message: str


@dataclass(frozen=True, slots=True)
class Taken:
    """An in-tree path of a stage that another one copies or mounts; it may have wildcards."""

    path: str
    has_wildcards: bool


@dataclass(frozen=True, slots=True)
class Lodger:
    """The `stage` that begins in a root which is its base.

    `plan` has the stages in the order that this takes, with the stage before all others that run something.
    `staying` are the indexes of the stages that go on in the root where one ended, that stage the first.
    """

    stage: PlannedStage
    plan: Plan
    staying: tuple[int, ...]

    def is_beside(self, stage: PlannedStage) -> bool:
        """Tell whether a stage is built in a folder of its own: it runs nothing, and the root is taken."""
        return stage.index not in self.staying and not _runs(stage)

    def taken(self, index: int) -> tuple[Taken, ...]:
        """List what other stages take from one, but for those that start from it."""
        return tuple(dict.fromkeys(taken for stage in self.plan.stages for taken in _taken(stage, index)))

    def name_of(self, index: int) -> str:
        """Name a stage of the plan."""
        return next(stage.name for stage in self.plan.stages if stage.index == index)

    @property
    def saved(self) -> int:
        """What is saved, to be compared: bytes of a base that would be unpacked count twice."""
        return self._size * self.plan.needs[self.stage.index]

    @property
    def why(self) -> str:
        """Say what is saved, and what becomes of the other stages."""
        whole = self.plan.needs[self.stage.index] is Files.CONTENT
        text = f"{self._size / 1_000_000:.1f} MB need not be downloaded{' and unpacked' if whole else ''}"
        others = [each.name for each in self.plan.stages if each is not self.stage and self.is_beside(each)]
        return f"{text}; beside it are built {', '.join(others)}" if others else text

    @property
    def _size(self) -> int:
        base = self.stage.base
        return (
            sum(layer.layer.descriptor.size for layer in base.layers) if isinstance(base, PulledImage) else 0
        )


def lodger(plan: Plan, image: Reference) -> Lodger | Refusal:
    """Choose the stage that begins in a root which holds `image`, named by its manifest's digest."""
    plan = _without_detours(plan)
    bases = [stage for stage in plan.stages if isinstance(stage.base, PulledImage)]
    those = [stage for stage in bases if _digest(stage) == str(image.digest)]
    if not those:
        found = ", ".join(f"{stage.stage.base.original} is {_digest(stage)}" for stage in bases[:1])
        what = f"no stage starts from {image.digest}"
        return Refusal(NotLodged.OTHER_IMAGE, f"{what}: {found}" if found else what)
    wanting = [stage for stage in those if plan.needs[stage.index] is not Files.NONE]
    if not wanting:
        return Refusal(NotLodged.NOT_NEEDED, "no step needs files of the base")
    tried = [_lodge(stage, plan) for stage in wanting]
    possible = [each for each in tried if isinstance(each, Lodger)]
    return max(possible, key=lambda each: each.saved) if possible else tried[0]


def taken_for(image: Reference, plan: Plan, own: Platform) -> Reference:
    """Name what a container runtime takes for a base that an index's digest names, by its manifest's digest.

    On a machine of platform `own` that is known where the index has one image for it, and no variants of it.
    """
    for stage in plan.stages:
        base = stage.base
        sole = base.sole if isinstance(base, PulledImage) and base.named == image.digest else None
        if sole and (sole.os, sole.architecture) == (own.os, own.architecture):
            return replace(image, digest=Digest.parse(_digest(stage)))
    return image


def offer(plan: Plan) -> Reference | None:
    """Name the image, by its manifest's digest, in whose own container the build saves most."""
    possible: list[tuple[int, Reference]] = []
    for stage in _without_detours(plan).stages:
        if isinstance(stage.base, PulledImage):
            image = Reference(stage.base.reference.repository, None, stage.base.image.manifest_digest)
            found = lodger(plan, image)
            if isinstance(found, Lodger):
                possible.append((found.saved, image))
    return max(possible, key=lambda each: each[0])[1] if possible else None


def _without_detours(plan: Plan) -> Plan:
    """Have stages start from the image itself where they do from a stage that is but a name for it."""
    by_index = {stage.index: stage for stage in plan.stages}
    names = {stage.index for stage in plan.stages if not stage.steps and stage.index != plan.target_index}

    def base_of(stage: PlannedStage) -> Base:
        base = stage.base
        while isinstance(base, StageSource) and base.index in names:
            base = by_index[base.index].base
        return base if isinstance(base, PulledImage) else stage.base

    stages = tuple(replace(stage, base=base_of(stage)) for stage in plan.stages)
    sources = (source for stage in stages for source in (stage.base, *stage.sources))
    passed = names - {source.index for source in sources if isinstance(source, StageSource)}
    needs = {index: Files.NONE if index in passed else need for index, need in plan.needs.items()}
    return replace(plan, stages=stages, needs=needs, read_by=readers_of_stages(stages, needs))


def _lodge(stage: PlannedStage, plan: Plan) -> Lodger | Refusal:
    """Give the root to a stage, if nothing that needs the root comes before it by necessity."""
    by_index = {each.index: each for each in plan.stages}
    below = _below(stage, by_index)
    if first := next((each for each in plan.stages if each.index in below and _runs(each)), None):
        return _refusal(f"stage {first.name} needs the root before stage {stage.name}")
    before = [each for each in plan.stages if each.index in below]
    after = [each for each in plan.stages if each.index not in {*below, stage.index}]
    stages = (*before, stage, *after)
    ordered = replace(plan, stages=stages, read_by=readers_of_stages(stages, plan.needs))
    staying = _staying(stage, after, ordered)
    if isinstance(staying, Refusal):
        return staying
    runs = any(each.index in staying and _runs(each) for each in stages)
    if not runs and (other := next(filter(_runs, after), None)):
        # What runs nothing can be built beside: it does not pay for emptying the root.
        return _refusal(f"stage {other.name} needs the root, and stage {stage.name} runs nothing")
    return Lodger(stage, ordered, staying)


def _staying(stage: PlannedStage, after: list[PlannedStage], plan: Plan) -> tuple[int, ...] | Refusal:
    """List the stages that go on in the root: to put a whole root aside would be to copy it."""
    staying = [stage]
    is_free = False
    for other in after:
        top = staying[-1]
        starts = StageSource(top.index) == other.base and plan.needs[other.index]
        if starts and not is_free and _is_last_reader(other, top, plan):
            staying.append(other)
            continue
        is_free = is_free or _runs(other)
        for each in staying:
            if StageSource(each.index) == other.base and plan.needs[other.index]:
                return _refusal(
                    f"stage {other.name} starts from stage {each.name}, and is not alone with that"
                )
            if any(taken.path == "/" for taken in _taken(other, each.index)):
                return _refusal(f"stage {other.name} takes all files of stage {each.name}")
    return tuple(each.index for each in staying)


def _is_last_reader(stage: PlannedStage, read: PlannedStage, plan: Plan) -> bool:
    return read.index in plan.last_read_by(stage) and StageSource(read.index) not in stage.sources


def _below(stage: PlannedStage, by_index: dict[int, PlannedStage]) -> set[int]:
    """List the indexes of the stages that have to be built before one."""
    below: set[int] = set()
    ahead = [stage]
    for each in ahead:
        for source in (each.base, *each.sources):
            if isinstance(source, StageSource) and source.index not in below:
                below.add(source.index)
                ahead.append(by_index[source.index])
    return below


def _taken(stage: PlannedStage, index: int) -> Iterator[Taken]:
    """Yield what a stage copies and mounts of another one."""
    for step in stage.steps:
        match step.action:
            case CopyAction(copied=copied, source=StageSource(index=found)) if found == index:
                for each in copied:
                    match each:
                        case LocalFiles(path=path) | LocalPaths(top=path):
                            yield Taken(path, has_wildcards=True)
            case RunAction(mounts=mounts):
                for mount in mounts:
                    if isinstance(mount, BindRequest | CacheRequest) and mount.source == StageSource(index):
                        yield Taken(mount.path, has_wildcards=False)


def _refusal(why: str) -> Refusal:
    return Refusal(NotLodged.OTHER_STAGES, why)


def _digest(stage: PlannedStage) -> str:
    return str(stage.base.image.manifest_digest) if isinstance(stage.base, PulledImage) else ""


def _runs(stage: PlannedStage) -> bool:
    """Tell whether a stage runs something, for which it takes the root."""
    return any(isinstance(step.action, RunAction) for step in stage.steps)
