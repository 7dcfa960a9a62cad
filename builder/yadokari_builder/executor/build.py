"""The build: stages one after the other, each step's changes packed into a layer and handed on at once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from yadokari_builder.errors import BuilderError
from yadokari_builder.executor import actions
from yadokari_builder.executor.actions import Workbench, Written
from yadokari_builder.executor.outcome import FinishedStep
from yadokari_builder.executor.plan import ImageBase, Plan, PlannedStage
from yadokari_builder.executor.report import Progress, human_size
from yadokari_builder.executor.roots import Roots
from yadokari_builder.executor.steps import CopyAction, RunAction, StageSource, Step, WorkdirAction
from yadokari_builder.layers import snapshot
from yadokari_builder.layers.changes import compare, walk_key
from yadokari_builder.layers.pack import Entry, PackedLayer, pack, pack_entries
from yadokari_builder.layers.snapshot import Snapshot
from yadokari_builder.oci.digest import Digest
from yadokari_builder.registry.pull import PulledImage

# A runtime makes these directories where an image has none to mount on; what starts from scratch gets them
# with its first RUN, as from BuildKit.
_MOUNT_POINTS = ("/dev", "/proc", "/sys")


@dataclass(slots=True)
class Build:
    """Builds the stages of a plan, in the root that `roots` and `bench` work in.

    `pulled` are the images that stages start from, by their manifests' digests, `layers` is the folder for
    layers, `made` is told of each layer of the target as soon as it is there, `now` gives the time in
    RFC 3339.
    """

    plan: Plan
    roots: Roots
    bench: Workbench
    pulled: Mapping[Digest, PulledImage]
    layers: Path
    progress: Progress
    made: Callable[[PackedLayer], None]
    now: Callable[[], str]
    _finished: dict[int, tuple[FinishedStep, ...]] = field(default_factory=dict)
    _baseline: Snapshot | None = None
    _is_bare: bool = False
    _bare_stages: set[int] = field(default_factory=set)

    def run(self) -> dict[int, tuple[FinishedStep, ...]]:
        """Build all stages; returns their finished steps by the stages' index.

        Raises `BuilderError`, located at the step that failed.
        """
        sent = {stage.index for stage in self.plan.chain()}
        for stage in self.plan.stages:
            self._begin(stage)
            steps = []
            for step in stage.steps:
                steps.append(self._step(step))
                layer = steps[-1].layer
                if layer and stage.index in sent:
                    self.made(layer)
            self._finished[stage.index] = tuple(steps)
            self._end(stage)
        return self._finished

    def _begin(self, stage: PlannedStage) -> None:
        self.progress.begin(stage.stage.base.original)
        base = stage.base
        with _located(stage.stage.base.location.file, stage.stage.location.start, stage.stage.base.original):
            pulled = self.pulled[base.image.manifest_digest] if isinstance(base, ImageBase) else None
            needs_files = self.plan.needs_files(stage)
            if needs_files:
                self.roots.fill(base, pulled, last_use=self._is_last_reader(stage))
        self._baseline = None
        self._is_bare = base is None or (isinstance(base, StageSource) and base.index in self._bare_stages)
        self.progress.end(f"{len(pulled.layers)} layers unpacked" if pulled and needs_files else "")

    def _is_last_reader(self, stage: PlannedStage) -> bool:
        """Tell whether nobody, this stage itself included, needs the base's files after it has started."""
        if not isinstance(stage.base, StageSource) or stage.base in stage.sources:
            return False
        return self.plan.readers(stage.base.index)[-1] is stage

    def _end(self, stage: PlannedStage) -> None:
        if self._is_bare:
            self._bare_stages.add(stage.index)
        if stage is self.plan.target:
            return  # the container ends soon, and with it what is left
        if self.plan.readers(stage.index):
            self.roots.put_aside(stage.index)
        for earlier in self.plan.stages:
            readers = self.plan.readers(earlier.index)
            if readers and readers[-1] is stage:
                self.roots.forget(earlier.index)

    def _step(self, step: Step) -> FinishedStep:
        self.progress.begin(step.instruction.original)
        location = step.instruction.location
        with _located(location.file, location.start, step.instruction.original):
            try:
                layer = self._layer(step)
            except BaseException:
                self.progress.fail()
                raise
        self.progress.end(f"layer of {human_size(layer.layer.descriptor.size)}" if layer else "")
        return FinishedStep(step, self.now(), layer)

    def _layer(self, step: Step) -> PackedLayer | None:
        match step.action:
            case RunAction() as action:
                return self._run(action)
            case CopyAction() as action:
                return self._pack_written(actions.copy(action, self.bench))
            case WorkdirAction() as action:
                return self._pack_written(actions.make_workdir(action, self.bench))
            case None:
                return None

    def _run(self, action: RunAction) -> PackedLayer | None:
        boundary = self.bench.boundary
        before = self._baseline or snapshot.take(boundary)
        self._baseline = None
        snapshot.settle(before)
        disturbed = frozenset(actions.run(action, self.bench))
        after = snapshot.take(boundary)
        self._baseline = after
        changes = compare(before, after, boundary)
        changes = replace(changes, changed=tuple(path for path in changes.changed if path not in disturbed))
        mount_points = [path for path in _MOUNT_POINTS if self._is_bare and path in boundary.excluded]
        self._is_bare = False
        if not (changes or mount_points):
            return None
        return pack(changes, boundary, self.layers, mount_points=mount_points)

    def _pack_written(self, written: Written) -> PackedLayer | None:
        """Pack what a step is known to have written, without looking for changes elsewhere."""
        boundary = self.bench.boundary
        # No layer has an entry for the root itself.
        entries = [Entry(path, boundary.host(path)) for path in written.paths if path != "/"]
        entries += [Entry(staged.path, str(staged.file)) for staged in written.staged]
        if not entries:
            return None
        if self._baseline is not None:
            self._baseline = snapshot.refreshed(self._baseline, boundary, written.paths)
        entries.sort(key=lambda entry: walk_key(entry.path))
        return pack_entries(entries, boundary, self.layers)


class _located:  # noqa: N801
    """Blames a line of the Dockerfile for errors within that blame none yet."""

    def __init__(self, file: str, line: int, source: str) -> None:
        self._where = (file, line, source)

    def __enter__(self) -> None:
        return None

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, BuilderError):
            error.locate(*self._where)
