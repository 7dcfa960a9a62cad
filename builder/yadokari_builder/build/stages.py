"""The build: stages one after the other, each step's changes packed into a layer while the next step runs."""

import errno
import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from yadokari_builder.build import actions
from yadokari_builder.build.actions import Workbench
from yadokari_builder.build.layering.packing import Packer, Packing
from yadokari_builder.build.layering.recording import (
    LayerPerStage,
    LayerPerStep,
    NoLayers,
    Recorder,
    snapshotted,
)
from yadokari_builder.build.outcome import FinishedStep
from yadokari_builder.build.progress import Progress, counted, human_size
from yadokari_builder.build.roots import Roots
from yadokari_builder.dockerfile.located import located
from yadokari_builder.dockerfile.location import Location
from yadokari_builder.dockerfile.quoting import printable
from yadokari_builder.errors import BuilderError, RunError, described
from yadokari_builder.layers.members import Members
from yadokari_builder.layers.pack import PackedLayer
from yadokari_builder.plan.needs import looks_up
from yadokari_builder.plan.plan import Plan, PlannedStage
from yadokari_builder.plan.steps import CopyAction, Files, RunAction, StageSource, Step, WorkdirAction
from yadokari_builder.registry.pull import PulledImage

logger = logging.getLogger(__name__)

_MOST_LEAKS = 3
_DEPTHS = {Files.NONE: "", Files.NAMES: "the names in {} unpacked", Files.CONTENT: "{} unpacked"}


@dataclass(slots=True)
class Build:
    """Builds the stages of a plan, in the root that `roots` and `bench` work in.

    With `single_layer` a stage's steps have one layer together; `made` is told of each layer of the target as
    soon as it is there.
    """

    plan: Plan
    roots: Roots
    bench: Workbench
    packing: Packing
    single_layer: bool
    progress: Progress
    made: Callable[[PackedLayer], None]
    _late: list["_DoneStep"] = field(default_factory=list)
    _packer: Packer = field(init=False)

    def run(self) -> dict[int, tuple[FinishedStep, ...]]:
        """Build all stages; returns their finished steps by the stages' index.

        Raises `BuilderError`, located at the step that failed.
        """
        try:
            return self._run()
        except _ContentNeeded:
            logger.info("a copied link leads to the base's accounts, so all of its content is needed: again")
            self.plan = self.plan.with_content()
            self.roots.start_again()
            self.progress.start_again()
            return self._run()

    def _run(self) -> dict[int, tuple[FinishedStep, ...]]:
        self._late.clear()
        sent = {stage.index for stage in self.plan.chain()}
        finished: dict[int, list[_DoneStep]] = {}
        with Packer(self.packing, self.made) as self._packer:
            for stage in self.plan.stages:
                self._begin(stage)
                finished[stage.index] = self._build(stage, is_sent=stage.index in sent)
                self._end(stage)
            return {index: tuple(step.finish() for step in done) for index, done in finished.items()}

    def _build(self, stage: PlannedStage, *, is_sent: bool) -> list["_DoneStep"]:
        recorder = self._recorder(stage, is_sent=is_sent)
        last = max((place for place, step in enumerate(stage.steps) if step.action), default=-1)
        goes_on = stage is not self.plan.last
        done = []
        for place, step in enumerate(stage.steps):
            self._require_accounts(step, stage)
            done.append(self._step(step, recorder, followed=goes_on or place < last))
        if last >= 0:
            with located(stage.steps[last].instruction.origin), _paths_of_steps():
                done[last].layer = done[last].layer or self._pack(
                    recorder.finish(), stage.steps[last], followed=goes_on
                )
        return done

    def _require_accounts(self, step: Step, stage: PlannedStage) -> None:
        """Make sure that a step which looks somebody up finds what is to be found."""
        if self.plan.needs[stage.index] is Files.NAMES and looks_up(step) and self.roots.lacks_accounts():
            raise _ContentNeeded

    def _begin(self, stage: PlannedStage) -> None:
        self.progress.begin(stage.stage.base.original)
        base = stage.base
        with located(stage.stage.base.origin):
            needs = self.plan.needs[stage.index]
            if needs or any(step.action for step in stage.steps):
                self.roots.fill(base, needs, last_use=self._is_last_reader(stage))
        layers = counted(len(base.layers), "layer") if isinstance(base, PulledImage) else ""
        self.progress.end(layers and _DEPTHS[needs].format(layers))

    def _is_last_reader(self, stage: PlannedStage) -> bool:
        """Tell whether nobody, this stage itself included, needs the base's files after it has started."""
        if not isinstance(stage.base, StageSource) or stage.base in stage.sources:
            return False
        return stage.base.index in self.plan.last_read_by(stage)

    def _end(self, stage: PlannedStage) -> None:
        if stage is self.plan.last:
            return  # the container ends soon, and with it what is left
        if self.plan.read_by[stage.index]:
            self.roots.put_aside(stage.index)
        for index in self.plan.last_read_by(stage):
            self.roots.forget(index)

    def _step(self, step: Step, recorder: Recorder, *, followed: bool) -> "_DoneStep":
        self._raise_failed()
        self.progress.begin(step.instruction.original)
        with located(step.instruction.origin):
            try:
                layer = self._pack(self._perform(step, recorder), step, followed=followed)
                is_late = layer is not None and not layer.done()
                result = "" if is_late else _size_of(layer)
            except BaseException:
                self.progress.fail()
                raise
        number = self.progress.number
        self.progress.end("its layer is packed meanwhile" if is_late else result)
        done = _DoneStep(step, self.packing.now(), layer)
        if layer and is_late:
            self._late.append(done)
            layer.add_done_callback(partial(self._tell_of, number))
        return done

    def _perform(self, step: Step, recorder: Recorder) -> Members | None:
        match step.action:
            case RunAction() as action:
                self.roots.seal()
                with _paths_of_steps():
                    return recorder.run(partial(actions.run, action, self.bench))
            case CopyAction() as action:
                return recorder.wrote(actions.copy(action, self.bench))
            case WorkdirAction() as action:
                return recorder.wrote(actions.make_workdir(action, self.bench))
            case None:
                return None

    def _pack(self, members: Members | None, step: Step, *, followed: bool) -> "Future[PackedLayer] | None":
        if members is None:
            return None
        try:
            layer = self._packer.pack(members, followed=followed, fingerprints=self.roots.fingerprints)
            layer.add_done_callback(partial(_tell_of_leaks, step.instruction.origin.location))
            return layer
        except (BuilderError, OSError):
            self._raise_failed()  # an earlier layer's trouble is this one's, too
            raise

    def _tell_of(self, number: int, layer: "Future[PackedLayer]") -> None:
        if not (layer.cancelled() or layer.exception()):
            self.progress.tell(number, _size_of(layer))

    def _raise_failed(self) -> None:
        """Raise what has gone wrong with a layer that was packed while the build went on."""
        late, self._late = self._late, []
        for done in late:
            if done.layer and done.layer.done():
                done.finish()
            else:
                self._late.append(done)

    def _recorder(self, stage: PlannedStage, *, is_sent: bool) -> Recorder:
        if not is_sent or not any(step.action for step in stage.steps):
            return NoLayers()
        boundary = snapshotted(self.bench.boundary, self.packing)
        kind = LayerPerStage if self.single_layer else LayerPerStep
        return kind(boundary, self.packing, stage.is_bare, self._checksums)

    def _checksums(self, paths: Collection[str]) -> Mapping[str, int]:
        """Tell what files of the root hold by the layers so far."""
        self._packer.wait()
        return self.roots.fingerprints.find(paths)


@contextmanager
def _paths_of_steps() -> Iterator[None]:
    """Blame steps for paths that no layer can hold; raises `RunError`."""
    try:
        yield
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        what = "a path is left that is longer than the system can name, and cannot go into a layer"
        raise RunError(f"{what}: {described(error)}", status=0) from error


class _ContentNeeded(Exception):  # noqa: N818 as StopIteration is called
    """The plan has taken names for enough where they are not."""


@dataclass(slots=True)
class _DoneStep:
    """A step that is done, though its layer may still be packed."""

    step: Step
    created: str
    layer: "Future[PackedLayer] | None"

    def finish(self) -> FinishedStep:
        """Wait for the layer; raises what went wrong with it."""
        with located(self.step.instruction.origin):
            return FinishedStep(self.step, self.created, self.layer.result() if self.layer else None)


def _tell_of_leaks(where: Location, layer: "Future[PackedLayer]") -> None:
    """Warn of secrets in a layer; may be called in any thread."""
    if layer.cancelled() or layer.exception():
        return
    for secret, names in layer.result().leaks.items():
        logger.warning(
            "%s:%d: the value of the secret %s is in the image, in %s%s: whoever can pull it can read that."
            " Let the step write it nowhere, and replace a secret that was pushed",
            where.file, where.start, printable(secret),
            ", ".join(printable(f"/{name}") for name in names[:_MOST_LEAKS]),
            " and others" if names[_MOST_LEAKS:] else "",
        )  # fmt: skip


def _size_of(layer: "Future[PackedLayer] | None") -> str:
    return f"layer of {human_size(layer.result().layer.descriptor.size)}" if layer else ""
