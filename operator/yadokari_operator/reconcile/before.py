"""A run of earlier inputs that the next one does not replace: concurrencyPolicy Queue and Forbid."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from yadokari_api.pod.platforms import word_of
from yadokari_api.spec import ImageBuildSpec
from yadokari_api.status import PlatformRun, Status
from yadokari_contract.reasons import Retry
from yadokari_operator import reports
from yadokari_operator.pods.again import Makings
from yadokari_operator.pods.arguments import Task
from yadokari_operator.pods.inputs.gathered import Inputs
from yadokari_operator.pods.names import run_in
from yadokari_operator.pods.observed import Pod, Standing
from yadokari_operator.pods.outcome import Built, Failed, Running, Waiting, shown
from yadokari_operator.pods.placement import on_nodes_as, on_nodes_of
from yadokari_operator.pods.render import Attempt, pod
from yadokari_operator.policies import Violation
from yadokari_operator.reconcile.attempts import (
    allowed,
    deadline,
    delay,
    is_retried,
    next_attempt,
    starting,
    waits,
)
from yadokari_operator.reconcile.cleaning import Keeping, clean
from yadokari_operator.reconcile.decision import Action, Create, Decision, Delete, Observed, decided, earliest
from yadokari_operator.reconcile.identity import is_asked_for
from yadokari_operator.reconcile.live import furthest_back, lives
from yadokari_operator.reconcile.publishing import Publishing
from yadokari_operator.settings import Settings

_NOTES = {
    "Queue": "; the inputs have changed since, and are built after it",
    "Forbid": "; the inputs have changed since, which concurrencyPolicy Forbid leaves unbuilt",
}


def before_it(observed: Observed, inputs: Inputs, settings: Settings, now: datetime) -> Decision | None:
    """Decide while the run before keeps these inputs from being built; `None` where it does not.

    It comes to its end, with other attempts where it fails by the network: its inputs are known no more, but
    its latest pod tells what to make of them.
    """
    spec, before = inputs.spec, observed.build.status
    run = run_in(observed.build.key.name, before.run.pod)
    if spec.concurrency_policy == "Replace" or spec.suspend or not run:
        return None
    pods = tuple(pod for pod in observed.pods if pod.standing is Standing.OURS and pod.run == run)
    return _Before(observed, inputs, settings, now, run, pods).decide()


@dataclass(frozen=True, slots=True)
class _Before:
    """The run before, called `run`, with its `pods`, while there are other `inputs`."""

    observed: Observed
    inputs: Inputs
    settings: Settings
    now: datetime
    run: str
    pods: tuple[Pod, ...]

    def decide(self) -> Decision | None:
        before = self.observed.build.status
        if before.finished:
            refused = before.refused_hash == self.inputs.hash and not is_asked_for(self.observed)
            return (
                self._decided(reports.forbidden(self.observed.build, before, self.now)) if refused else None
            )
        if before.run.platforms:
            return self._until_all_ended(self._refusing(before))
        latest = max(self.pods, key=lambda pod: pod.attempt, default=None)
        if latest is None or latest.attempt < before.run.attempt:
            return None
        before = self._refusing(before)
        if latest.cannot_lodge(self.now):
            return self._instead_of(before, latest)
        if isinstance(latest.outcome, Failed) and is_retried(latest, latest.outcome, self.inputs.spec):
            return self._again(before, latest, latest.outcome)
        return self._until_its_end(before, latest)

    def _refusing(self, before: Status) -> Status:
        """Note what is not to be built, if the spec says so."""
        is_refused = self.inputs.spec.concurrency_policy == "Forbid"
        return replace(before, refused_hash=self.inputs.hash) if is_refused else before

    def _again(self, before: Status, latest: Pod, outcome: Failed) -> Decision | None:
        """Decide that another attempt follows, made of the latest pod."""
        before = reports.with_result(before, outcome.result)
        begin = outcome.finished + timedelta(seconds=delay(latest.attempt))
        if self.now < begin:
            told = reports.failed_attempt(outcome.failure, outcome.retry, outcome.exit_code)
            return self._decided(reports.retrying(self.observed.build, before, self.now, told), due=begin)
        retries = latest.retries + (outcome.retry is Retry.COUNTED)
        attempt = next_attempt(self.observed, self.run, latest.attempt + 1, retries, Task(part=latest.part))
        return self._begun(
            before, attempt, latest.makings, on_nodes_as(latest.node_selector, self.inputs.spec)
        )

    def _instead_of(self, before: Status, latest: Pod) -> Decision | None:
        """Decide that an ordinary pod follows one of a base image that cannot build."""
        attempt = next_attempt(
            self.observed, self.run, latest.attempt + 1, latest.retries, Task(part=latest.part)
        )
        wanted = on_nodes_as(latest.node_selector, self.inputs.spec)
        return self._begun(before, attempt, latest.makings, wanted, old=latest)

    def _begun(
        self,
        before: Status,
        attempt: Attempt,
        makings: Makings,
        wanted: ImageBuildSpec,
        due: datetime | None = None,
        old: Pod | None = None,
    ) -> Decision | None:
        """Decide that an attempt begins, if policies allow what is wanted of it; the `old` pod goes."""
        spec = allowed(self.observed, wanted)
        if isinstance(spec, Violation):
            return None
        build, inputs = self.observed.build, replace(self.inputs, spec=spec)
        made = makings.ordinary().put_into(pod(build, inputs, self.settings, attempt))
        report = starting(self.observed, before, attempt, self.now)
        gone = [] if old is None else [Delete("Pod", old.name, old.uid)]
        return self._decided(report, *gone, Create(made), unacted=before, due=due)

    def _until_its_end(self, before: Status, latest: Pod) -> Decision | None:
        build, inputs, now, end = self.observed.build, self.inputs, self.now, latest.finished
        match latest.outcome:
            case Built(result, finished):
                # Where it went the spec that it was made for told.
                images = [*map(shown, result.images)] or [to.image for to in inputs.spec.destinations]
                report = reports.succeeded(build, before, now, images, result, finished)
            case Failed(failure, retry, finished, code, result):
                told = reports.failed_attempt(failure, retry, code)
                report = reports.failed(build, reports.with_result(before, result), now, told, finished)
            case _:
                end = deadline(latest, inputs.spec)
                if (end is not None and now >= end) or latest.deleted is not None:
                    return None
                note = _NOTES[inputs.spec.concurrency_policy]
                if isinstance(latest.outcome, Waiting):
                    report = waits(self.observed, before, latest, latest.outcome, now, note)
                else:
                    (live,) = lives([("", latest.name)], self.observed.progress, before.progress)
                    report = reports.building(build, before, now, live, note)
        # What has ended is looked at again: the next run may begin.
        return self._decided(report, due=end)

    def _until_all_ended(self, before: Status) -> Decision | None:
        """Decide while the platforms of the run are built, and their index is published."""
        latest = {it.platform: self._latest(it) for it in before.run.platforms}
        seen = tuple(_seen(it, latest[it.platform]) for it in before.run.platforms)
        before = replace(before, run=replace(before.run, platforms=seen))
        unbuilt = [it for it in seen if it.digest is None]
        missing = {it.platform: pod for it in unbuilt if (pod := latest[it.platform]) is not None}
        unbegun = [it for it in unbuilt if it.platform not in missing]
        if any(it.attempt for it in unbegun):
            return None
        meanwhile = self._meanwhile(before, missing)
        for platform, pod in missing.items():
            if pod.deleted is not None and pod.finished is None:
                return None
            if pod.cannot_lodge(self.now):
                instead = self._instead_of(before, pod)
                return instead and replace(instead, unacted=meanwhile)
            if isinstance(pod.outcome, Failed):
                return self._after_failure(before, platform, pod, pod.outcome, meanwhile)
        if unbegun:
            first = self._first(before, unbegun[0].platform)
            return first and replace(first, unacted=meanwhile)
        if missing:
            due = earliest(*(deadline(it, self.inputs.spec) for it in missing.values()))
            return None if due and self.now >= due else self._decided(meanwhile, due=due)
        return self._published(before)

    def _meanwhile(self, before: Status, missing: Mapping[str, Pod]) -> Status:
        running = [(word, it.name) for word, it in missing.items() if isinstance(it.outcome, Running)]
        progress = furthest_back(lives(running, self.observed.progress, before.progress))
        note = _NOTES[self.inputs.spec.concurrency_policy]
        return reports.building(self.observed.build, before, self.now, progress, note)

    def _after_failure(
        self, before: Status, platform: str, pod: Pod, outcome: Failed, meanwhile: Status
    ) -> Decision | None:
        """Decide what follows where a platform has failed: another attempt, or the end of all of them."""
        if is_retried(pod, outcome, self.inputs.spec):
            again = self._again(before, pod, outcome)
            return again and replace(again, unacted=meanwhile)
        told = reports.failed_attempt(outcome.failure, outcome.retry, outcome.exit_code)
        told = replace(told, message=f"{platform}: {told.message}")
        report = reports.failed(self.observed.build, before, self.now, told, outcome.finished)
        return self._decided(report, due=outcome.finished)

    def _first(self, before: Status, platform: str) -> Decision | None:
        """Decide that a platform gets its first attempt, made of the pod for another one."""
        beside = next(iter(self.pods), None)
        if beside is None:
            return None
        attempt = next_attempt(self.observed, self.run, 1, 0, Task(platform, word_of(platform)))
        wanted = on_nodes_of(platform, self.inputs.spec)
        return self._begun(before, attempt, beside.makings.for_platform(platform), wanted, due=self.now)

    def _published(self, before: Status) -> Decision | None:
        """Decide while the index is published of platforms that are all built."""
        # Where it went, and what it has, the spec that it was made for told.
        made = next(iter(self.pods), None)
        spec = allowed(self.observed, self.inputs.spec)
        if made is None or not made.destinations or isinstance(spec, Violation):
            return None
        step = Publishing(
            observed=self.observed,
            spec=spec,
            images=made.destinations,
            settings=self.settings,
            run=self.run,
            status=before,
            annotations=made.annotations,
            mark=made.mark,
            now=self.now,
        ).step()
        due = self.now if step.report.finished else step.due
        return self._decided(step.report, *step.actions, due=due)

    def _latest(self, platform: PlatformRun) -> Pod | None:
        part = word_of(platform.platform)
        mine = (it for it in self.pods if it.part == part and it.attempt >= platform.attempt)
        return max(mine, key=lambda it: it.attempt, default=None)

    def _decided(
        self, report: Status, *actions: Action, unacted: Status | None = None, due: datetime | None = None
    ) -> Decision:
        build, keeping = self.observed.build, Keeping.of(self.inputs.spec)
        cleaning = clean(self.observed, self.run, build.status, keeping, self.now)
        due = earliest(due, cleaning.due)
        return decided(build, report, self.now, *cleaning.actions, *actions, unacted=unacted, due=due)


def _seen(platform: PlatformRun, latest: Pod | None) -> PlatformRun:
    """Note the image of a platform that is built by now."""
    if platform.digest or latest is None or not isinstance(latest.outcome, Built):
        return platform
    result = latest.outcome.result
    return replace(platform, digest=result.digest, size=reports.size_of(result.size))
