"""One look at the run of the current inputs."""

from dataclasses import replace
from datetime import datetime, timedelta

from yadokari_api.fields import seconds
from yadokari_api.imagebuild import ImageBuild
from yadokari_api.reasons import StateReason
from yadokari_api.status import Status
from yadokari_contract.reasons import Retry
from yadokari_contract.result import Failure
from yadokari_operator import reports
from yadokari_operator.pods.inputs import Inputs, run_of
from yadokari_operator.pods.names import pod_name, run_in
from yadokari_operator.pods.observed import Pod, Standing
from yadokari_operator.pods.outcome import Built, Failed, Running, Waiting
from yadokari_operator.pods.render import Attempt, config_maps, pod
from yadokari_operator.reconcile.cleaning import GRACE, Keeping, clean
from yadokari_operator.reconcile.decision import Action, Create, Decision, Observed, decided, earliest
from yadokari_operator.settings import Settings

MAX_RETRIES = 3
"""How often a build is tried again after failures of the network or a registry."""

_FIRST_DELAY = 10.0
_LONGEST_DELAY = 300.0


class Run:
    """The run of the current inputs, as it is observed."""

    def __init__(self, observed: Observed, inputs: Inputs, settings: Settings, now: datetime) -> None:
        self._build = observed.build
        self._observed = observed
        self._inputs = inputs
        self._settings = settings
        self._now = now
        self._run, self._stored = identify(observed.build, inputs)
        self._status = self._stored or reports.begun(observed.build, inputs.hash)
        mine = [it for it in observed.pods if it.standing is Standing.OURS and it.run == self._run]
        self._pods = sorted(mine, key=lambda it: it.attempt)

    def decide(self) -> Decision:
        """Decide what is to be done."""
        if self._status.finished:
            return self._decided(reports.kept(self._build, self._status))
        if self._pods and self._pods[-1].attempt >= self._status.attempt:
            return self._look_at(self._pods[-1])
        others = [it for it in self._observed.pods if it not in self._pods and self._holds_up(it)]
        if others:
            message = "the pod of the build before has to end first"
            report = reports.waiting(self._build, self._status, self._now, message)
            return self._decided(report, due=earliest(*(it.deleted and it.deleted + GRACE for it in others)))
        return self._start(self._status, self._status.attempt + 1, self._status.retries)

    def _look_at(self, latest: Pod) -> Decision:
        build, now = self._build, self._now
        run = replace(
            self._status,
            attempt=latest.attempt,
            retries=latest.retries,
            pod_name=latest.name,
            start_time=self._status.start_time or reports.format_time(latest.created),
        )
        match latest.outcome:
            case Built(result, finished):
                image = self._inputs.spec.destinations[0].image
                return self._decided(reports.succeeded(build, run, now, image, result, finished))
            case Failed():
                return self._after_failure(latest, latest.outcome, run)
            case _ if self._is_lost(latest):
                return self._start(run, latest.attempt + 1, latest.retries)
            case Waiting() | Running():
                return self._while_it_lasts(latest, latest.outcome, run)

    def _while_it_lasts(self, latest: Pod, outcome: Waiting | Running, run: Status) -> Decision:
        build, now = self._build, self._now
        deadline = self._deadline(latest)
        if now >= deadline:
            failure = Failure(StateReason.TIMEOUT, self._too_long(latest, outcome))
            return self._decided(reports.failed(build, run, now, failure, now))
        due = earliest(deadline, latest.deleted and latest.deleted + GRACE)
        match outcome:
            case Running():
                report = reports.building(build, run, now)
            case Waiting(problem) if problem:
                report = reports.blocked(build, run, now, StateReason.POD_PENDING, problem)
            case Waiting():
                report = reports.waiting(build, run, now, f"pod {latest.name} is about to start")
        return self._decided(report, due=due)

    def _deadline(self, latest: Pod) -> datetime:
        """Tell when an attempt has taken too long: the kubelet sees to it, but a dead node has none."""
        timeout = seconds(self._inputs.spec.timeout)
        if latest.accepted is None:
            return latest.created + timedelta(seconds=timeout)
        return latest.accepted + timedelta(seconds=latest.limit or timeout) + GRACE

    def _too_long(self, latest: Pod, outcome: Waiting | Running) -> str:
        timeout = self._inputs.spec.timeout
        if isinstance(outcome, Running):
            return f"the build took longer than its timeout of {timeout}, and its node does not answer"
        who = "no node took the pod" if latest.accepted is None else "the executor did not start"
        return f"{who} within the timeout of {timeout}: {outcome.problem or 'no reason is known'}"

    def _after_failure(self, latest: Pod, outcome: Failed, run: Status) -> Decision:
        build, now = self._build, self._now
        counted = outcome.retry is Retry.COUNTED
        if outcome.retry is Retry.NEVER or (counted and latest.retries >= MAX_RETRIES):
            if 0 < latest.generation < build.generation:
                # The spec was changed meanwhile, in what does not make the image: perhaps to mend just this.
                return self._start(run, latest.attempt + 1, 0)
            return self._decided(reports.failed(build, run, now, outcome.failure, outcome.finished))
        begin = outcome.finished + timedelta(seconds=_delay(latest.attempt))
        if now < begin:
            return self._decided(reports.retrying(build, run, now, outcome.failure), due=begin)
        return self._start(run, latest.attempt + 1, latest.retries + counted)

    def _start(self, run: Status, number: int, retries: int) -> Decision:
        build, inputs = self._build, self._inputs
        while (name := pod_name(build.key.name, self._run, number)) in self._observed.taken:
            number += 1
        report = reports.waiting(
            build,
            replace(run, attempt=number, retries=retries, pod_name=name),
            self._now,
            f"pod {name} is about to start",
        )
        attempt = Attempt(run=self._run, number=number, retries=retries)
        manifests = [*config_maps(build, inputs, self._run), pod(build, inputs, self._settings, attempt)]
        return self._decided(report, *map(Create, manifests), unacted=run)

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


def identify(build: ImageBuild, inputs: Inputs) -> tuple[str, Status | None]:
    """Tell the run that these inputs are in, and how far it has come; a run that begins has no status.

    A run begins when what makes the image has changed, when the annotation asks for it, and, after a failure,
    when anything of the spec has changed: that may be what mends it.
    """
    before = build.status
    new, current = run_of(build, inputs), run_in(build.key.name, before.pod_name)
    same = before.inputs_hash in (inputs.hash, inputs.former_hash)
    asked = build.rebuild not in ("", before.rebuild_requested_at) and new != current
    mended = before.phase == "Failed" and before.observed_generation != build.generation
    if not same or asked or mended:
        return new, None
    image = inputs.spec.destinations[0].image if before.phase == "Succeeded" else before.image
    return current or new, replace(before, inputs_hash=inputs.hash, image=image)


def _delay(attempt: int) -> float:
    """Tell how many seconds to wait after this attempt: twice as long each time."""
    return min(_FIRST_DELAY * 2.0 ** min(attempt - 1, 10), _LONGEST_DELAY)
