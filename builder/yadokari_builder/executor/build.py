"""The build: stages one after the other, each step's changes packed into a layer and handed on at once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from yadokari_builder.errors import BuilderError, described
from yadokari_builder.executor import actions
from yadokari_builder.executor.actions import Workbench
from yadokari_builder.executor.outcome import FinishedStep
from yadokari_builder.executor.plan import ImageBase, Plan, PlannedStage
from yadokari_builder.executor.recording import (
    LayerPerStage,
    LayerPerStep,
    NoLayers,
    Packing,
    Recorder,
    snapshotted,
)
from yadokari_builder.executor.report import Progress, counted, human_size
from yadokari_builder.executor.roots import Roots
from yadokari_builder.executor.steps import CopyAction, Files, RunAction, StageSource, Step, WorkdirAction
from yadokari_builder.layers.pack import PackedLayer
from yadokari_builder.oci.digest import Digest
from yadokari_builder.registry.pull import PulledImage

_DEPTHS = {Files.NONE: "", Files.NAMES: "the names in {} unpacked", Files.CONTENT: "{} unpacked"}


@dataclass(slots=True)
class Build:
    """Builds the stages of a plan, in the root that `roots` and `bench` work in.

    `pulled` are the images that stages start from, by their manifests' digests; with `single_layer` a stage's
    steps have one layer together; `made` is told of each layer of the target as soon as it is there; `now`
    gives the time in RFC 3339.
    """

    plan: Plan
    roots: Roots
    bench: Workbench
    pulled: Mapping[Digest, PulledImage]
    packing: Packing
    single_layer: bool
    progress: Progress
    made: Callable[[PackedLayer], None]
    now: Callable[[], str]
    _finished: dict[int, tuple[FinishedStep, ...]] = field(default_factory=dict)

    def run(self) -> dict[int, tuple[FinishedStep, ...]]:
        """Build all stages; returns their finished steps by the stages' index.

        Raises `BuilderError`, located at the step that failed.
        """
        for stage in self.plan.stages:
            self._begin(stage)
            recorder = self._recorder(stage)
            steps = [self._step(step, recorder) for step in stage.steps]
            if layer := recorder.finish():
                self.made(layer)
                last = max(place for place, step in enumerate(stage.steps) if step.action)
                steps[last] = replace(steps[last], layer=layer)
            self._finished[stage.index] = tuple(steps)
            self._end(stage)
        return self._finished

    def _begin(self, stage: PlannedStage) -> None:
        self.progress.begin(stage.stage.base.original)
        base = stage.base
        with _located(stage.stage.base.location.file, stage.stage.location.start, stage.stage.base.original):
            pulled = self.pulled[base.image.manifest_digest] if isinstance(base, ImageBase) else None
            needs = self.plan.needs[stage.index]
            if needs or any(step.action for step in stage.steps):
                self.roots.fill(base, pulled, needs, last_use=self._is_last_reader(stage))
        layers = counted(len(pulled.layers), "layer") if pulled else ""
        self.progress.end(layers and _DEPTHS[needs].format(layers))

    def _is_last_reader(self, stage: PlannedStage) -> bool:
        """Tell whether nobody, this stage itself included, needs the base's files after it has started."""
        if not isinstance(stage.base, StageSource) or stage.base in stage.sources:
            return False
        readers = self.plan.readers(stage.base.index)
        return bool(readers) and readers[-1] is stage

    def _end(self, stage: PlannedStage) -> None:
        if stage is self.plan.target:
            return  # the container ends soon, and with it what is left
        if self.plan.readers(stage.index):
            self.roots.put_aside(stage.index)
        for earlier in self.plan.stages:
            readers = self.plan.readers(earlier.index)
            if readers and readers[-1] is stage:
                self.roots.forget(earlier.index)

    def _step(self, step: Step, recorder: Recorder) -> FinishedStep:
        self.progress.begin(step.instruction.original)
        location = step.instruction.location
        with _located(location.file, location.start, step.instruction.original):
            try:
                layer = self._layer(step, recorder)
                if layer:
                    self.made(layer)
            except BaseException:
                self.progress.fail()
                raise
        self.progress.end(f"layer of {human_size(layer.layer.descriptor.size)}" if layer else "")
        return FinishedStep(step, self.now(), layer)

    def _layer(self, step: Step, recorder: Recorder) -> PackedLayer | None:
        match step.action:
            case RunAction() as action:
                return recorder.run(partial(actions.run, action, self.bench))
            case CopyAction() as action:
                return recorder.wrote(actions.copy(action, self.bench))
            case WorkdirAction() as action:
                return recorder.wrote(actions.make_workdir(action, self.bench))
            case None:
                return None

    def _recorder(self, stage: PlannedStage) -> Recorder:
        is_sent = any(stage is sent for sent in self.plan.chain())
        if not is_sent or not any(step.action for step in stage.steps):
            return NoLayers()
        boundary = snapshotted(self.bench.boundary, self.packing)
        kind = LayerPerStage if self.single_layer else LayerPerStep
        return kind(boundary, self.packing, self._is_bare(stage))

    def _is_bare(self, stage: PlannedStage) -> bool:
        """Tell whether nothing but COPY has put files into what a stage starts from."""
        if not isinstance(stage.base, StageSource):
            return stage.base is None
        below = next(earlier for earlier in self.plan.stages if StageSource(earlier.index) == stage.base)
        return self._is_bare(below) and not any(isinstance(step.action, RunAction) for step in below.steps)


class _located:  # noqa: N801
    """Blames a line of the Dockerfile for errors within that blame none yet.

    An `OSError` becomes a `BuilderError`: what the system refuses has to do with what the step wanted.
    """

    def __init__(self, file: str, line: int, source: str) -> None:
        self._where = (file, line, source)

    def __enter__(self) -> None:
        return None

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, OSError):
            problem = BuilderError(described(error))
            problem.locate(*self._where)
            raise problem from error
        if isinstance(error, BuilderError):
            error.locate(*self._where)
