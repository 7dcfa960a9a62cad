"""The build: stages one after the other, each step's changes packed into a layer while the next step runs."""

import errno
import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial

from yadokari_builder.build.caching.ground import Ground
from yadokari_builder.build.caching.steps import Hit, StepCache
from yadokari_builder.build.layering.outlined import SpoiledLayerError
from yadokari_builder.build.layering.packing import Packer, Packing, Purpose
from yadokari_builder.build.layering.recording import (
    LayerPerStage,
    LayerPerStep,
    NoLayers,
    Recorder,
    snapshotted,
)
from yadokari_builder.build.outcome import FinishedStep, Made
from yadokari_builder.build.performing import actions
from yadokari_builder.build.performing.actions import Workbench
from yadokari_builder.build.progress import Progress, TimedStep, counted
from yadokari_builder.build.root.roots import Roots, Stack
from yadokari_builder.build.root.standing import HiddenError
from yadokari_builder.cache.options import expected
from yadokari_builder.copy.destination import Written
from yadokari_builder.dockerfile.located import located
from yadokari_builder.dockerfile.location import Location
from yadokari_builder.dockerfile.quoting import printable
from yadokari_builder.errors import BuilderError, RunError, described
from yadokari_builder.layers.fingerprints import Fingerprints
from yadokari_builder.layers.members import Members
from yadokari_builder.layers.pack import PackedLayer
from yadokari_builder.oci.digest import Digest
from yadokari_builder.plan.needs import looks_up, needs_of_stages, readers_of_stages
from yadokari_builder.plan.plan import Plan, PlannedStage
from yadokari_builder.plan.steps import CopyAction, Files, RunAction, StageSource, Step, WorkdirAction
from yadokari_builder.registry.pull import PulledImage
from yadokari_builder.registry.source import LayerSource, LocalLayer
from yadokari_contract.sizes import human_size

logger = logging.getLogger(__name__)

_MOST_LEAKS = 3
_DEPTHS = {Files.NONE: "", Files.NAMES: "the names in {} unpacked", Files.CONTENT: "{} unpacked"}


@dataclass(slots=True)
class Build:
    """Builds the stages of a plan, in the root that `roots` and `bench` work in.

    With `single_layer` a stage's steps have one layer together; `made` is told of each layer of the target as
    soon as it is there. What is known to `cache`, which has begun, is not done again, and its files are put
    into the root only where a step needs them, or with `keeps_files` in the end.
    """

    plan: Plan
    roots: Roots
    bench: Workbench
    packing: Packing
    single_layer: bool
    progress: Progress
    made: Callable[[PackedLayer], None]
    cache: StepCache | None = None
    keeps_files: bool = False
    _late: list["_DoneStep"] = field(default_factory=list)
    _needs_content: bool = False
    _sent: list[tuple[Digest, "Future[None]"]] = field(default_factory=list)
    _packer: Packer = field(init=False)
    _ground: Ground = field(init=False)

    def run(self) -> dict[int, tuple[FinishedStep, ...]]:
        """Build all stages; returns their finished steps by the stages' index.

        Raises `BuilderError`, located at the step that failed.
        """
        while True:
            try:
                return self._run()
            except _ContentNeeded:
                logger.info(
                    "a copied link leads to the base's accounts, so all of its content is needed: again"
                )
                self.plan, self._needs_content = self.plan.with_content(), True
            except SpoiledLayerError as error:
                if self.cache is None or not self.cache.spoil(
                    error.digest, error.why, with_others=error.is_out_of_reach
                ):
                    raise BuilderError(f"layer {error.digest} is broken: {error.why}") from error
            except RunError as error:
                if not (self.roots.tenancy and self.roots.tenancy.blames(error)):
                    raise
            except HiddenError as error:
                assert self.roots.tenancy
                self.roots.tenancy.hides(error.path)
            self.roots.start_again()
            self.progress.start_again()
            if self.cache:
                self.cache.begin(self.plan)

    def _run(self) -> dict[int, tuple[FinishedStep, ...]]:
        self._late.clear()
        self._sent.clear()
        sent = {stage.index for stage in self.plan.chain()}
        finished: dict[int, list[_DoneStep]] = {}
        if self.cache:
            self.roots.outlines = self.cache.outlines
        # What is known already needs no caches.
        waiting = self.cache.remaining() if self.cache else self.plan
        self.bench.caches.expect(expected(waiting, self.roots.name_of))
        with Packer(self.packing, self.made) as self._packer:
            for stage in self.plan.stages:
                with self._place(stage):
                    self._begin(stage)
                    finished[stage.index] = self._build(stage, is_sent=stage.index in sent)
                    self._end(stage, finished[stage.index])
            self.progress.stage = ""
            done = {index: tuple(step.finish() for step in steps) for index, steps in finished.items()}
        for digest, sending in self._sent:
            if error := sending.exception():
                raise SpoiledLayerError.of(digest, error) from error
        return done

    @contextmanager
    def _place(self, stage: PlannedStage) -> Iterator[None]:
        """Have a stage built in the root, or in a folder of its own while the root is a base's container."""
        tenancy, in_root = self.roots.tenancy, self.bench
        if not (tenancy and tenancy.lodger.is_beside(stage)):
            yield
            return
        with self.roots.beside():
            self.bench = replace(in_root, boundary=self.roots.boundary, staging=self.roots.staging)
            try:
                yield
            finally:
                self.bench = in_root

    def _build(self, stage: PlannedStage, *, is_sent: bool) -> list["_DoneStep"]:
        last = max((place for place, step in enumerate(stage.steps) if step.action), default=-1)
        goes_on = stage is not self.plan.last
        done = []
        with closing(self._recorder(stage, is_sent=is_sent)) as recorder:
            self._begin_as_found(recorder, stage.steps)
            for place in range(len(stage.steps)):
                doing = _Doing(stage, place, is_sent=is_sent, is_followed=goes_on or place < last)
                self._require_accounts(doing.step)
                done.append(self._step(doing, recorder))
            if last >= 0:
                doing = _Doing(stage, last, is_sent=is_sent, is_followed=goes_on)
                with located(doing.step.instruction.origin), _paths_of_steps():
                    done[last].layer = done[last].layer or self._pack(recorder.finish(), doing)
        return done

    def _require_accounts(self, step: Step) -> None:
        """Make sure that a step which looks somebody up finds what is to be found."""
        if self._ground.depth is Files.NAMES and looks_up(step) and self.roots.lacks_accounts():
            raise _ContentNeeded

    def _begin(self, stage: PlannedStage) -> None:
        self.progress.stage = stage.name
        base = stage.stage.base
        self.progress.begin(base.original, line=base.origin.location.start, stage=stage.index)
        last_use = self._is_last_reader(stage)
        self._ground = Ground(self.roots, stage, partial(self._needs, stage), last_use)
        result = ""
        with located(base.origin):
            is_worked_in = self.plan.needs[stage.index] or any(step.action for step in stage.steps)
            if not self.cache and is_worked_in:
                self._ground.ready()
                result = self._depth(stage)
        self.progress.end(result)

    def _depth(self, stage: PlannedStage) -> str:
        """Say what of an image was unpacked for a stage."""
        base, depth = stage.base, self._ground.depth
        if depth is None or not isinstance(base, PulledImage):
            return ""
        if self._ground.is_lodged:
            return "it is the container's own"
        return _DEPTHS[depth].format(counted(len(base.layers), "layer"))

    def _needs(self, stage: PlannedStage) -> Files:
        """Tell what is needed of the files that a stage starts from, by what is known by now."""
        if self.cache is None:
            return self.plan.needs[stage.index]
        if self.keeps_files:
            return Files.CONTENT
        needs = needs_of_stages(self.cache.remaining().stages)[stage.index]
        return Files.CONTENT if needs and self._needs_content else needs

    def _is_last_reader(self, stage: PlannedStage) -> bool:
        """Tell whether nobody, this stage itself included, needs the base's files after it has started."""
        if not isinstance(stage.base, StageSource) or stage.base in stage.sources:
            return False
        return stage.base.index in self.plan.last_read_by(stage)

    def _end(self, stage: PlannedStage, done: Sequence["_DoneStep"]) -> None:
        if stage is self.plan.last:
            if self.keeps_files:
                self._ground.ready()
            return  # the container ends soon, and with it what is left
        if self.plan.read_by[stage.index]:
            self._keep(stage, done)
        for index in self.plan.last_read_by(stage):
            self.roots.forget(index)

    def _keep(self, stage: PlannedStage, done: Sequence["_DoneStep"]) -> None:
        """Keep a stage's files for those that need them, or what they are made of if it never had any."""
        if self.cache:
            if stack := self._stack(stage, done):
                self.roots.remember(stage.index, stack)
            stages = self.cache.remaining().stages
            if not (
                self._ground.is_filled and readers_of_stages(stages, needs_of_stages(stages))[stage.index]
            ):
                return
            self._ground.ready()
        self.roots.put_aside(stage.index)

    def _stack(self, stage: PlannedStage, done: Sequence["_DoneStep"]) -> Stack | None:
        """Tell what a stage's files are made of, None where its layers do not tell all."""
        below: Stack | None = Stack(stage.base if isinstance(stage.base, PulledImage) else None, ())
        if isinstance(stage.base, StageSource):
            below = self.roots.stack_of(stage.base.index)
        if below is None or not all(step.is_recorded for step in done):
            return None
        layers = (step.finish().layer for step in done)
        return Stack(below.image, (*below.layers, *(_as_source(layer) for layer in layers if layer)))

    def _step(self, doing: "_Doing", recorder: Recorder) -> "_DoneStep":
        self._raise_failed()
        step = doing.step
        origin = step.instruction.origin
        timed = self.progress.begin(
            step.instruction.original, line=origin.location.start, stage=doing.stage.index
        )
        with located(origin):
            try:
                if self.cache and step.action:
                    hit = self.cache.find(doing.stage, doing.place)
                    timed.key = self.cache.key_of(doing.stage, doing.place)
                    if hit:
                        timed.size = hit.layer.layer.descriptor.size if hit.layer else None
                        return self._take(doing, hit, recorder)
                    self._prepare(doing, self.cache, recorder)
                members, is_whole = self._perform(doing, recorder)
                layer = self._pack(members, doing)
                if layer:
                    layer.add_done_callback(partial(_note_size, timed))
                is_late = layer is not None and not layer.done()
                result = "" if is_late else _size_of(layer)
            except BaseException as error:
                self.progress.fail()
                if isinstance(error, OSError):
                    self._raise_what_came_before()
                raise
        number = self.progress.number
        result = "its layer is packed meanwhile" if is_late else result
        seconds = self.progress.end(result, is_performed=step.action is not None)
        if self.cache and step.action:
            # Steps of pods with other volumes see what those of this one do not.
            is_blind = self.roots.has_hidden and isinstance(step.action, RunAction)
            is_kept = is_whole and not is_blind
            self.cache.done(doing.stage, doing.place, layer, seconds=seconds, is_kept=is_kept)
        done = _DoneStep(step, self.packing.now(), layer, is_whole)
        if layer and is_late:
            self._late.append(done)
            layer.add_done_callback(partial(self._tell_of, number))
        return done

    def _take(self, doing: "_Doing", hit: Hit, recorder: Recorder) -> "_DoneStep":
        """Take what an earlier build left of a step."""
        if isinstance(recorder, LayerPerStep):
            recorder.skip(ran=isinstance(doing.step.action, RunAction))
        layer: Future[Made] | None = None
        if hit.layer:
            self._ground.add(hit.layer)
            layer = Future()
            layer.set_result(hit.layer)
            if doing.is_sent and self.cache and (sending := self.cache.send(hit.layer)):
                self._sent.append((hit.layer.layer.descriptor.digest, sending))
        self.progress.end_cached(_size_of(layer) or "it changed nothing", hit.seconds)
        return _DoneStep(doing.step, self.packing.now(), layer)

    def _prepare(self, doing: "_Doing", cache: StepCache, recorder: Recorder) -> None:
        """Have the files that a step needs in the root."""
        if miss := cache.why_missed(doing.stage, doing.place):
            self.progress.miss(miss.why, follows=miss.follows)
        base = doing.stage.stage.base
        with located(base.origin):
            is_new = self._ground.ready()
        if is_new and (depth := self._depth(doing.stage)):
            self.progress.note(f"{base.original}: {depth}")
        if is_new:
            self._begin_as_found(recorder, doing.stage.steps[doing.place :])
        self._require_accounts(doing.step)

    def _perform(self, doing: "_Doing", recorder: Recorder) -> tuple[Members | None, bool]:
        """Perform a step; tells whether its layer is all that it changed."""
        match doing.step.action:
            case RunAction() as action:
                self.roots.seal()
                with _paths_of_steps(), self.roots.top_kept():
                    return recorder.run(partial(actions.run, action, self.bench)), True
            case CopyAction() as action:
                return self._wrote(actions.copy(action, self.bench), doing, recorder)
            case WorkdirAction() as action:
                return self._wrote(actions.make_workdir(action, self.bench), doing, recorder)
        return None, True

    def _wrote(self, written: Written, doing: "_Doing", recorder: Recorder) -> tuple[Members | None, bool]:
        self.roots.hide(staged.path for staged in written.staged)
        members = recorder.wrote(written)
        if not self.cache:
            return members, True
        if doing.is_sent or self.cache.policy.includes(doing.step):
            # What stands elsewhere than in the root would not get there from a layer.
            return members, not written.staged
        for path in written.paths:
            self.roots.fingerprints.forget(path)
        return None, False

    def _pack(self, members: Members | None, doing: "_Doing") -> "Future[PackedLayer] | None":
        if members is None:
            return None
        # What is copied has its name from what it is made of.
        is_named = self.cache is not None and isinstance(doing.step.action, RunAction)
        is_outlined = self.cache is not None and self.cache.keeps(doing.step)
        try:
            layer = self._packer.pack(
                self.roots.timed(members, self.packing.timestamp),
                followed=doing.is_followed,
                fingerprints=self.roots.fingerprints,
                purpose=Purpose(doing.is_sent, is_named, is_outlined),
            )
            if not layer.done():
                # They are still told of it in another thread: what comes meanwhile is newer.
                self.roots.fingerprints = Fingerprints(self.roots.fingerprints)
            if doing.is_sent:
                layer.add_done_callback(partial(_tell_of_leaks, doing.step.instruction.origin.location))
            return layer
        except (BuilderError, OSError):
            self._raise_failed()  # an earlier layer's trouble is this one's, too
            raise

    def _tell_of(self, number: int, layer: "Future[PackedLayer]") -> None:
        if not (layer.cancelled() or layer.exception()):
            self.progress.tell(number, _size_of(layer))

    def _raise_what_came_before(self) -> None:
        """Raise the trouble that an earlier layer has, too: what fills a disk is what that step has left."""
        self._packer.wait()
        self._raise_failed()

    def _raise_failed(self) -> None:
        """Raise what has gone wrong with a layer that was packed while the build went on."""
        late, self._late = self._late, []
        for done in late:
            if done.layer and done.layer.done():
                done.finish()
            else:
                self._late.append(done)

    def _recorder(self, stage: PlannedStage, *, is_sent: bool) -> Recorder:
        if not (is_sent or self.cache) or not any(step.action for step in stage.steps):
            return NoLayers()
        boundary = snapshotted(self.bench.boundary, self.packing)
        if self.single_layer:
            return LayerPerStage(boundary, self.packing, stage.is_bare, self._checksums)
        return LayerPerStep(boundary, self.packing, stage.is_bare, self._checksums)

    def _begin_as_found(self, recorder: Recorder, steps: Sequence[Step]) -> None:
        """Have a recorder know how a container's root was found, if that is what steps start from."""
        tenancy = self.roots.tenancy
        runs = any(isinstance(step.action, RunAction) for step in steps)
        if not (tenancy and self._ground.is_as_found and runs and isinstance(recorder, LayerPerStep)):
            return
        found = tenancy.take_found(recorder.boundary)
        if found is not None:
            recorder.begin(found)

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


@dataclass(frozen=True, slots=True)
class _Doing:
    """A step that is to be done: whether its layer is one of the image's, and whether other steps follow."""

    stage: PlannedStage
    place: int
    is_sent: bool
    is_followed: bool

    @property
    def step(self) -> Step:
        """The step."""
        return self.stage.steps[self.place]


@dataclass(slots=True)
class _DoneStep:
    """A step that is done, though its layer may still be packed; one that not `is_recorded` has none."""

    step: Step
    created: str
    layer: "Future[PackedLayer] | Future[Made] | None"
    is_recorded: bool = True

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


def _note_size(timed: TimedStep, layer: "Future[PackedLayer]") -> None:
    if not (layer.cancelled() or layer.exception()):
        timed.size = layer.result().layer.descriptor.size


def _size_of(layer: "Future[PackedLayer] | Future[Made] | None") -> str:
    return f"layer of {human_size(layer.result().layer.descriptor.size)}" if layer else ""


def _as_source(layer: Made) -> LayerSource:
    return LocalLayer(layer.layer, layer.file.open) if isinstance(layer, PackedLayer) else layer
