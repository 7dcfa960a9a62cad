"""The attempts of a run for one platform, or all of them where there is only one: how far they have come."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from yadokari_api.pod.platforms import node_architecture
from yadokari_api.reasons import StateReason
from yadokari_api.spec import ImageBuildSpec
from yadokari_api.status import BuildFailure, PlatformRun
from yadokari_contract.reasons import Reason, Retry
from yadokari_contract.results.build import BuildResult, Failure
from yadokari_operator import reports
from yadokari_operator.pods.observed import PATIENCE, KnownPod, Pod
from yadokari_operator.pods.outcome import Built, Failed, Running, Waiting
from yadokari_operator.pods.runtime import ADVICE
from yadokari_operator.reconcile.attempts import deadline, delay, is_retried
from yadokari_operator.reconcile.cleaning import GRACE
from yadokari_operator.reconcile.decision import earliest


@dataclass(frozen=True, slots=True)
class Start:
    """An attempt is to begin; `instead_of` is a pod that goes before."""

    number: int
    retries: int
    instead_of: Pod | None = None


@dataclass(frozen=True, slots=True)
class Lasts:
    """An attempt goes on; `due` is when time alone changes that, if it does."""

    pod: Pod
    outcome: Waiting | Running
    due: datetime | None


@dataclass(frozen=True, slots=True)
class Pauses:
    """An attempt failed, and another one follows at a time."""

    failure: BuildFailure
    until: datetime


@dataclass(frozen=True, slots=True)
class Over:
    """It failed for good."""

    failure: BuildFailure
    end: datetime


@dataclass(frozen=True, slots=True)
class Done:
    """The image is built and pushed."""

    result: BuildResult
    end: datetime


Verdict = Start | Lasts | Pauses | Over | Done


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """What is known of the attempts: how far they had come, and the pods that are there, the latest one last.

    `generation` is that of the spec, `part` the word of its platform where others are built beside it.
    `needs_image_volume` is whether an attempt that gets none has no other way.
    """

    before: PlatformRun
    part: str
    pods: tuple[Pod, ...]
    spec: ImageBuildSpec
    generation: int
    needs_image_volume: bool
    now: datetime

    @property
    def platform(self) -> str:
        """What it builds for, empty where the spec does not say it."""
        return self.before.platform

    def named(self, text: str) -> str:
        """Say which platform something is about, where there are several."""
        return f"{self.platform}: {text}" if self.part else text

    @property
    def latest(self) -> Pod | None:
        """The pod of the latest attempt; `None` where that is gone or there was none."""
        reached = self.pods and self.pods[-1].attempt >= self.before.attempt
        return self.pods[-1] if reached else None

    @property
    def vanished(self) -> BuildFailure | None:
        """What is known of the latest attempt where its pod is gone: nothing was heard of its end."""
        if self.latest is not None or self.before.pod is None:
            return None
        message = f"pod {self.before.pod} is gone without a word: it was deleted at once, or its node was"
        return reports.failed_attempt(Failure(Reason.CANCELLED, self.named(message)), Retry.UNCOUNTED, None)

    @property
    def result(self) -> BuildResult | None:
        """What the executor of the latest attempt left, if it has ended."""
        outcome = self.latest.outcome if self.latest else None
        return outcome.result if isinstance(outcome, Built | Failed) else None

    @property
    def after(self) -> PlatformRun:
        """How far they have come by now."""
        latest = self.latest
        if latest is None or self.before.digest is not None:
            return self.before
        seen = replace(
            self.before,
            attempt=latest.attempt,
            retries=latest.retries,
            pod=latest.name,
            node=latest.node or None,
            steps=reports.steps_of(self.result) if self.result else self.before.steps,
        )
        if isinstance(latest.outcome, Built):
            size = reports.size_of(latest.outcome.result.size)
            return replace(seen, digest=latest.outcome.result.digest, size=size)
        return seen

    def verdict(self) -> Verdict:
        """Tell what comes next."""
        if self.before.digest is not None:
            return Done(BuildResult(digest=self.before.digest, size=self.before.size or 0), self.now)
        latest = self.latest
        if latest is None:
            return Start(self.before.attempt + 1, self.before.retries)
        if latest.cannot_lodge(self.now):
            return Start(latest.attempt + 1, latest.retries, latest)
        match latest.outcome:
            case Failed() | Waiting() if latest.lacks_runtime(self.now) and not self.needs_image_volume:
                # The next attempt gets otherwise what the node of this one could not mount.
                return Start(latest.attempt + 1, latest.retries, latest)
            case Built(result, finished):
                return Done(result, finished)
            case Failed() as failed:
                return self._after_failure(latest, failed)
            case Waiting() | Running() as outcome:
                if is_lost(latest, self.now):
                    return Start(latest.attempt + 1, latest.retries)
                if latest.deleted and latest.why_deleted:
                    why = latest.why_deleted
                    return Pauses(reports.failed_attempt(why, Retry.UNCOUNTED, None), latest.deleted + GRACE)
                return self._while_it_lasts(latest, outcome)

    def _while_it_lasts(self, latest: Pod, outcome: Waiting | Running) -> Lasts | Over:
        end = deadline(latest, self.spec)
        if end is not None and self.now >= end and not self.spec.suspend:
            return Over(self._too_long(latest, outcome), self.now)
        judged = latest.mounting and latest.mounting + PATIENCE
        if judged and judged <= self.now:
            judged = None
        due = earliest(end, latest.deleted and latest.deleted + GRACE, judged, latest.lodges_until)
        return Lasts(latest, self._judged(latest, outcome), due)

    def _judged(self, latest: Pod, outcome: Waiting | Running) -> Waiting | Running:
        """Say what is known by time alone of a pod that does not start."""
        if isinstance(outcome, Waiting) and not outcome.problem and latest.lacks_runtime(self.now):
            problem = f"no volume of it is mounted after {PATIENCE.seconds} s. Perhaps {ADVICE}"
            return Waiting(StateReason.POD_PENDING, problem)
        return outcome

    def _too_long(self, latest: Pod, outcome: Waiting | Running) -> BuildFailure:
        """Tell of an attempt that has taken too long: by what kept it from starting, if that is known."""
        spec = self.spec
        if isinstance(outcome, Running):
            message = (
                f"the build took longer than its timeout of {spec.timeout}, and its node does not answer"
            )
            return BuildFailure(reason=StateReason.TIMEOUT, message=message)
        who = "no node took the pod" if latest.accepted is None else "the executor did not start"
        limit = f"timeout of {spec.timeout}"
        if spec.pending_timeout is not None:
            limit = f"pendingTimeout of {spec.pending_timeout}"
        problem = problem_of(outcome, self.platform)
        message = f"{who} within the {limit}: {problem or 'no reason is known'}"
        return BuildFailure(
            reason=outcome.reason if outcome.problem else StateReason.TIMEOUT, message=message
        )

    def _after_failure(self, latest: Pod, outcome: Failed) -> Start | Pauses | Over:
        failure = reports.failed_attempt(outcome.failure, outcome.retry, outcome.exit_code)
        if not is_retried(latest, outcome, self.spec):
            if 0 < latest.generation < self.generation:
                # The spec was changed meanwhile, in what does not make the image: perhaps to mend just this.
                return Start(latest.attempt + 1, 0)
            return Over(failure, outcome.finished)
        begin = outcome.finished + timedelta(seconds=delay(latest.attempt))
        if self.now < begin:
            return Pauses(failure, begin)
        return Start(latest.attempt + 1, latest.retries + (outcome.retry is Retry.COUNTED))


def problem_of(waiting: Waiting, platform: str) -> str:
    """Tell what keeps a pod from starting: where no node takes it, by the architecture that it needs."""
    if waiting.reason is StateReason.UNSCHEDULABLE and platform:
        return f"{platform} takes a node of architecture {node_architecture(platform)}: {waiting.problem}"
    return waiting.problem


def is_lost(pod: KnownPod, now: datetime) -> bool:
    """Whether a pod that was deleted should have ended by now."""
    return pod.deleted is not None and now >= pod.deleted + GRACE
