"""One look at the run of the current inputs."""

from dataclasses import replace
from datetime import datetime, timedelta

from yadokari_api.pod.executor import Executor
from yadokari_api.reasons import StateReason
from yadokari_api.status import BuildFailure, Status
from yadokari_contract.reasons import Retry
from yadokari_operator import reports
from yadokari_operator.pods.inputs import Inputs
from yadokari_operator.pods.observed import PATIENCE, Pod, Standing
from yadokari_operator.pods.outcome import Built, Failed, Running, Waiting
from yadokari_operator.pods.render import config_maps, pod
from yadokari_operator.pods.runtime import ADVICE, way_of
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
from yadokari_operator.reconcile.before import before_it
from yadokari_operator.reconcile.cleaning import GRACE, Keeping, clean
from yadokari_operator.reconcile.decision import Action, Create, Decision, Delete, Observed, decided, earliest
from yadokari_operator.reconcile.identity import identify, with_artifact
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
        self._status = with_artifact(
            self._stored or reports.begun(observed.build, inputs.hash, why, now), inputs
        )
        mine = [it for it in observed.pods if it.standing is Standing.OURS and it.run == self._run]
        self._pods = sorted(mine, key=lambda it: it.attempt)

    def decide(self) -> Decision:
        """Decide what is to be done."""
        if self._status.finished:
            return self._decided(reports.kept(self._build, self._status, self._now))
        if self._stored is None and (
            decision := before_it(self._observed, self._inputs, self._settings, self._now)
        ):
            return decision
        if self._pods and self._pods[-1].attempt >= self._status.run.attempt:
            return self._look_at(self._pods[-1])
        others = [it for it in self._observed.pods if it not in self._pods and self._holds_up(it)]
        if others:
            message = "the pod of the build before has to end first"
            report = reports.waiting(self._build, self._status, self._now, StateReason.QUEUED, message)
            return self._decided(report, due=earliest(*(it.deleted and it.deleted + GRACE for it in others)))
        return self._start(self._status, self._status.run.attempt + 1, self._status.run.retries)

    def _look_at(self, latest: Pod) -> Decision:
        build, now = self._build, self._now
        before = self._status.run
        attempt = replace(
            before,
            attempt=latest.attempt,
            retries=latest.retries,
            pod=latest.name,
            node=latest.node or None,
            started_at=before.started_at or reports.format_time(latest.created),
        )
        run = replace(self._status, run=attempt)
        match latest.outcome:
            case Failed() | Waiting() if self._goes_without_image_volume(latest):
                return self._start(
                    run, latest.attempt + 1, latest.retries, Delete("Pod", latest.name, latest.uid)
                )
            case Built(result, finished):
                images = [to.image for to in self._inputs.spec.destinations]
                return self._decided(reports.succeeded(build, run, now, images, result, finished))
            case Failed():
                return self._after_failure(latest, latest.outcome, run)
            case _ if self._inputs.spec.suspend:
                return self._suspended(run)
            case _ if self._is_lost(latest):
                return self._start(run, latest.attempt + 1, latest.retries)
            case Waiting() | Running():
                return self._while_it_lasts(latest, latest.outcome, run)

    def _goes_without_image_volume(self, latest: Pod) -> bool:
        """Whether the next attempt gets otherwise what the node of this one could not mount."""
        executor = self._inputs.spec.executor or Executor()
        return latest.lacks_runtime(self._now) and way_of(executor, self._settings) != "ImageVolume"

    def _while_it_lasts(self, latest: Pod, outcome: Waiting | Running, run: Status) -> Decision:
        build, now = self._build, self._now
        end = deadline(latest, self._inputs.spec)
        if end is not None and now >= end:
            return self._decided(reports.failed(build, run, now, self._too_long(latest, outcome), now))
        judged = latest.mounting and latest.mounting + PATIENCE
        due = earliest(
            end, latest.deleted and latest.deleted + GRACE, judged if judged and judged > now else None
        )
        if isinstance(outcome, Running):
            report = reports.building(build, run, now, self._observed.progress)
        elif not outcome.problem and latest.lacks_runtime(now):
            problem = f"no volume of it is mounted after {PATIENCE.seconds} s. Perhaps {ADVICE}"
            report = reports.blocked(build, run, now, StateReason.POD_PENDING, problem)
        else:
            report = waits(self._observed, run, latest, outcome, now, "")
        return self._decided(report, due=due)

    def _too_long(self, latest: Pod, outcome: Waiting | Running) -> BuildFailure:
        """Tell of an attempt that has taken too long: by what kept it from starting, if that is known."""
        spec = self._inputs.spec
        if isinstance(outcome, Running):
            message = (
                f"the build took longer than its timeout of {spec.timeout}, and its node does not answer"
            )
            return BuildFailure(reason=StateReason.TIMEOUT, message=message)
        who = "no node took the pod" if latest.accepted is None else "the executor did not start"
        limit = f"timeout of {spec.timeout}"
        if spec.pending_timeout is not None:
            limit = f"pendingTimeout of {spec.pending_timeout}"
        message = f"{who} within the {limit}: {outcome.problem or 'no reason is known'}"
        return BuildFailure(
            reason=outcome.reason if outcome.problem else StateReason.TIMEOUT, message=message
        )

    def _after_failure(self, latest: Pod, outcome: Failed, run: Status) -> Decision:
        build, now = self._build, self._now
        run = reports.with_result(run, outcome.result)
        failure = reports.failed_attempt(outcome.failure, outcome.retry, outcome.exit_code)
        counted = outcome.retry is Retry.COUNTED
        if not is_retried(latest, outcome, self._inputs.spec):
            if 0 < latest.generation < build.generation:
                # The spec was changed meanwhile, in what does not make the image: perhaps to mend just this.
                return self._start(run, latest.attempt + 1, 0)
            return self._decided(reports.failed(build, run, now, failure, outcome.finished))
        if self._inputs.spec.suspend:
            return self._suspended(run)
        begin = outcome.finished + timedelta(seconds=delay(latest.attempt))
        if now < begin:
            return self._decided(reports.retrying(build, run, now, failure), due=begin)
        return self._start(run, latest.attempt + 1, latest.retries + counted)

    def _suspended(self, run: Status) -> Decision:
        """Decide what goes where nothing is to be built: all that is not kept for its log."""
        keeping = Keeping.of(self._inputs.spec)
        cleaning = clean(self._observed, "", None, keeping, self._now)
        report = reports.suspended(self._build, run, self._now)
        return decided(self._build, report, self._now, *cleaning.actions, due=cleaning.due)

    def _start(self, run: Status, number: int, retries: int, *before: Action) -> Decision:
        build, inputs = self._build, self._inputs
        if inputs.spec.suspend:
            return self._suspended(run)
        spec = allowed(self._observed, inputs.spec)
        if isinstance(spec, Violation):
            failure = BuildFailure(reason=StateReason.POLICY_VIOLATION, message=spec.message)
            return self._decided(reports.failed(build, reports.unbegun(build), self._now, failure, None))
        inputs = replace(inputs, spec=spec)
        attempt = next_attempt(self._observed, self._run, number, retries)
        report = starting(self._observed, run, attempt, self._now)
        manifests = [*config_maps(build, inputs, self._run), pod(build, inputs, self._settings, attempt)]
        return self._decided(report, *before, *map(Create, manifests), unacted=run)

    def _decided(
        self,
        report: Status,
        *actions: Action,
        unacted: Status | None = None,
        due: datetime | None = None,
    ) -> Decision:
        keeping = Keeping.of(self._inputs.spec)
        cleaning = clean(self._observed, self._run, self._stored, keeping, self._now)
        due = earliest(due, cleaning.due)
        return decided(self._build, report, self._now, *cleaning.actions, *actions, unacted=unacted, due=due)

    def _is_lost(self, pod: Pod) -> bool:
        return pod.deleted is not None and self._now >= pod.deleted + GRACE

    def _holds_up(self, pod: Pod) -> bool:
        """Whether a pod of an earlier run may still push its image after the one of this run is there."""
        return pod.finished is None and not self._is_lost(pod)
