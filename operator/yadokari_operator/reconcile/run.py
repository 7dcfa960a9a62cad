"""One look at the run of the current inputs."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from yadokari_api.pod.executor import Executor
from yadokari_api.pod.platforms import word_of
from yadokari_api.reasons import StateReason
from yadokari_api.spec import OutputSpec
from yadokari_api.status import BuildFailure, PlatformRun, Status
from yadokari_contract.verbs import INDEX
from yadokari_operator import reports
from yadokari_operator.events import event
from yadokari_operator.pods.arguments import Task, mark_of
from yadokari_operator.pods.errands.observed import ErrandPod
from yadokari_operator.pods.inputs.gathered import Inputs, run_of
from yadokari_operator.pods.inputs.hashes import tells_all
from yadokari_operator.pods.observed import Pod, Standing
from yadokari_operator.pods.outcome import Running
from yadokari_operator.pods.placement import on_nodes_of
from yadokari_operator.pods.render import config_maps, pod
from yadokari_operator.pods.runtime import way_of
from yadokari_operator.policies import Violation
from yadokari_operator.reconcile.attempts import allowed, next_attempt, starting
from yadokari_operator.reconcile.before import before_it
from yadokari_operator.reconcile.cleaning import GRACE, Keeping, clean
from yadokari_operator.reconcile.decision import Action, Create, Decision, Delete, Observed, decided, earliest
from yadokari_operator.reconcile.identity import identify, with_artifact
from yadokari_operator.reconcile.live import lives
from yadokari_operator.reconcile.lodging import base_for, noted, question, renewed
from yadokari_operator.reconcile.publishing import Publishing
from yadokari_operator.reconcile.several import Verdicts, summed_up
from yadokari_operator.reconcile.track import (
    Done,
    Lasts,
    Over,
    Pauses,
    Start,
    Track,
    is_lost,
)
from yadokari_operator.reports import Cause, Summary
from yadokari_operator.settings import Settings


class Run:
    """The run of the current inputs, as it is observed."""

    def __init__(self, observed: Observed, inputs: Inputs, settings: Settings, now: datetime) -> None:
        self._build = observed.build
        self._observed = observed
        self._inputs = inputs
        self._settings = settings
        self._now = now
        self._run, self._stored, why = identify(observed, inputs, now)
        self._status = with_artifact(self._stored or self._begun(why), inputs)
        mine = [it for it in observed.pods if it.standing is Standing.OURS and it.run == self._run]
        self._pods = sorted(mine, key=lambda it: it.attempt)
        self._tracks = tuple(map(self._track, inputs.spec.platforms or ("",)))

    def _begun(self, why: Cause) -> Status:
        build, inputs = self._observed.build, self._inputs
        begun = reports.begun(build, inputs.hash, why, self._now)
        return renewed(begun, build.status, inputs, self._observed.answers)

    def decide(self) -> Decision:
        """Decide what is to be done."""
        if self._status.finished:
            return self._decided(reports.kept(self._build, self._status, self._now))
        if self._stored is None:
            before = before_it(self._observed, self._inputs, self._settings, self._now)
            if before is not None:
                return before
        verdicts = [(track, track.verdict()) for track in self._tracks]
        run = self._as_seen()
        over = [(track, it) for track, it in verdicts if isinstance(it, Over)]
        done = [it for _, it in verdicts if isinstance(it, Done)]
        start = [(track, it) for track, it in verdicts if isinstance(it, Start)]
        if over:
            track, it = over[0]
            failure = replace(it.failure, message=track.named(it.failure.message))
            return self._decided(reports.failed(self._build, run, self._now, failure, it.end))
        if len(done) == len(verdicts):
            return self._done(run, done)
        if self._inputs.spec.suspend:
            return self._suspended(run)
        if start:
            seen = self._with_vanished(run, start[0][0])
            gone = None if seen is run else event(self._build.status, seen)
            decision = self._start(seen, *start[0], verdicts)
            return replace(decision, events=(*filter(None, [gone]), *decision.events))
        return self._decided(self._under_way(run, verdicts), due=_due(verdicts))

    @property
    def _are_several(self) -> bool:
        return len(self._tracks) > 1

    def _track(self, platform: str) -> Track:
        spec, run = self._inputs.spec, self._status.run
        part = word_of(platform) if len(spec.platforms) > 1 else ""
        if part:
            known = (it for it in run.platforms if it.platform == platform)
            before = next(known, PlatformRun(platform=platform))
        else:
            before = PlatformRun(
                platform=platform, attempt=run.attempt, retries=run.retries, pod=run.pod, node=run.node
            )
        pods = tuple(it for it in self._pods if it.part == part)
        return Track(
            before=before,
            part=part,
            pods=pods,
            spec=spec,
            generation=self._build.generation,
            needs_image_volume=way_of(spec.executor or Executor(), self._settings) == "ImageVolume",
            now=self._now,
        )

    def _as_seen(self) -> Status:
        """Tell how far the run has come by what there is now."""
        begin = min((it.created for it in self._pods), default=None)
        started = self._status.run.started_at or (reports.format_time(begin) if begin else None)
        status = replace(self._status, run=replace(self._status.run, started_at=started))
        status = reports.with_results(status, [it.result for it in self._tracks if it.result is not None])
        status = noted(status, {self._named(track): track.latest for track in self._tracks}, self._now)
        return self._with(status, [track.after for track in self._tracks])

    def _named(self, track: Track) -> str | None:
        return track.platform if track.part else None

    def _with(self, status: Status, attempts: Sequence[PlatformRun]) -> Status:
        """Note how far each platform has come; the first one that has begun and is not built stands for all.

        The pod that is named tells which run it is.
        """
        begun = [it for it in attempts if it.pod is not None] or attempts
        shown = next((it for it in begun if it.digest is None), begun[0])
        run = replace(
            status.run,
            attempt=max(it.attempt for it in attempts),
            retries=max(it.retries for it in attempts),
            pod=shown.pod,
            node=shown.node,
            platforms=tuple(attempts) if self._are_several else (),
        )
        steps = reports.in_all(it.steps for it in attempts) if self._are_several else status.steps
        return replace(status, run=run, steps=steps)

    def _with_vanished(self, run: Status, track: Track) -> Status:
        """Note that a pod has vanished between two looks, so that nothing else will tell of its end."""
        before = self._build.status
        was_there = before.phase == "Building" or (before.phase == "Pending" and before.failure is None)
        if track.vanished is None or not was_there:
            return run
        return reports.retrying(self._build, run, self._now, track.vanished)

    def _done(self, run: Status, done: Sequence[Done]) -> Decision:
        images = [to.image for to in self._inputs.spec.destinations]
        if not self._are_several:
            (only,) = done
            report = reports.succeeded(self._build, run, self._now, images, only.result, only.end)
            return self._decided(report)
        ruled = allowed(self._observed, self._inputs.spec)
        step = Publishing(
            observed=self._observed,
            spec=self._inputs.spec if isinstance(ruled, Violation) else ruled,
            images=images,
            settings=self._settings,
            run=self._run,
            status=run,
            annotations=(self._inputs.spec.output or OutputSpec()).annotations,
            mark=mark_of(self._inputs),
            is_new=not all(it.result and it.result.already_pushed for it in self._tracks),
            now=self._now,
        ).step()
        if step.actions and isinstance(ruled, Violation):
            return self._forbidden(ruled)
        if self._inputs.spec.suspend and not step.report.finished:
            return self._suspended(run)
        return self._decided(step.report, *step.actions, due=step.due)

    def _under_way(self, run: Status, verdicts: Verdicts) -> Status:
        """Report attempts that go on, wait or are followed by others."""
        build, now = self._build, self._now
        match [verdict for _, verdict in verdicts]:
            case [Lasts(pod, Running(), _)]:
                (live,) = lives([("", pod.name)], self._observed.progress, run.progress)
                return reports.building(build, run, now, live)
        failures = (it.failure for _, it in verdicts if isinstance(it, Pauses))
        run = replace(run, failure=next(failures, run.failure))
        return reports.under_way(build, run, now, self._summed_up(verdicts))

    def _summed_up(self, verdicts: Verdicts) -> Summary:
        return summed_up(verdicts, self._observed.progress, self._status.progress)

    def _suspended(self, run: Status) -> Decision:
        """Decide what goes where nothing is to be built: all that is not kept for its log."""
        keeping = Keeping.of(self._inputs.spec)
        cleaning = clean(self._observed, "", None, keeping, self._now)
        report = reports.suspended(self._build, run, self._now)
        return decided(self._build, report, self._now, *cleaning.actions, due=cleaning.due)

    def _start(self, run: Status, track: Track, start: Start, verdicts: Verdicts) -> Decision:
        """Begin an attempt: one at a time, since each has to wait for its turn."""
        build, inputs = self._build, self._inputs
        others = self._in_the_way()
        if others:
            message = "the pod of the build before has to end first"
            report = reports.waiting(build, run, self._now, StateReason.QUEUED, message)
            return self._decided(report, due=earliest(*(it.deleted and it.deleted + GRACE for it in others)))
        spec = allowed(self._observed, on_nodes_of(track.platform, inputs.spec))
        if isinstance(spec, Violation):
            return self._forbidden(spec)
        inputs = replace(inputs, spec=spec)
        asked = question(run, inputs, self._settings, self._named(track))
        if asked and self._now < asked.until:
            told = asked.answered(run, self._observed.answers, map(self._named, self._tracks))
            if told is None:
                message = f"what {asked.name} is gets asked for, to build in its own container"
                report = reports.waiting(build, run, self._now, StateReason.SCHEDULING, message)
                return replace(self._decided(report, due=asked.until), wants=(asked.want,))
            run = told
        task = Task(track.platform, track.part, self._adopts())
        base = base_for(run, inputs, self._settings, self._named(track))
        attempt = next_attempt(self._observed, self._run, start.number, start.retries, task, base)
        report = starting(self._observed, run, attempt, self._now)
        manifests = [*config_maps(build, inputs, self._run), pod(build, inputs, self._settings, attempt)]
        old = start.instead_of
        actions: list[Action] = [] if old is None else [Delete("Pod", old.name, old.uid)]
        actions += map(Create, manifests)
        if not self._are_several:
            return self._decided(report, *actions, unacted=run)
        began = self._with(report, report.run.platforms)
        report = reports.under_way(build, began, self._now, self._summed_up(verdicts))
        others_run = self._summed_up([(it, verdict) for it, verdict in verdicts if it is not track])
        unacted = reports.under_way(build, run, self._now, others_run)
        is_last = sum(isinstance(verdict, Start) for _, verdict in verdicts) == 1
        due = _due(verdicts) if is_last else self._now
        return self._decided(report, *actions, unacted=unacted, due=due)

    def _forbidden(self, why: Violation) -> Decision:
        """Make no pod that a policy forbids: what a pod is made of may have changed since the run began."""
        failure = BuildFailure(reason=StateReason.POLICY_VIOLATION, message=why.message)
        report = reports.failed(self._build, reports.unbegun(self._build), self._now, failure, None)
        return self._decided(report)

    def _adopts(self) -> bool:
        """Whether an image that is there already will do: no status tells of it where a cluster was moved."""
        run = self._status.run
        return (run.number, run.reason) == (1, "Created") and tells_all(self._inputs.spec)

    def _decided(
        self,
        report: Status,
        *actions: Action,
        unacted: Status | None = None,
        due: datetime | None = None,
    ) -> Decision:
        keeping = Keeping.of(self._inputs.spec)
        following = run_of(self._build, self._inputs, self._status.run.number + 1)
        cleaning = clean(self._observed, self._run, self._stored, keeping, self._now, following)
        due = earliest(due, cleaning.due)
        return decided(self._build, report, self._now, *cleaning.actions, *actions, unacted=unacted, due=due)

    def _in_the_way(self) -> list[Pod | ErrandPod]:
        """Tell which pods of earlier runs may still push something after the one of this run is there."""
        observed = self._observed
        others: list[Pod | ErrandPod] = [it for it in observed.pods if it not in self._pods]
        others += [it for it in observed.errands if it.verb == INDEX.name and it.token != self._run]
        return [it for it in others if it.finished is None and not is_lost(it, self._now)]


def _due(verdicts: Verdicts) -> datetime | None:
    times = [
        it.due if isinstance(it, Lasts) else it.until for _, it in verdicts if isinstance(it, Lasts | Pauses)
    ]
    return earliest(*times)
