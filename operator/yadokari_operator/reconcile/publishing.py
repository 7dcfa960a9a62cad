"""The last step of a run for several platforms: an errand publishes their images as one index."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from yadokari_api.fields import repository_of, seconds
from yadokari_api.reasons import StateReason
from yadokari_api.spec import ImageBuildSpec
from yadokari_api.status import BuildFailure, Status
from yadokari_contract.reasons import Retry
from yadokari_contract.results.answers import IndexResult
from yadokari_contract.spec import INPUTS_MARK
from yadokari_contract.verbs import INDEX
from yadokari_operator import reports
from yadokari_operator.pods.arguments import reach
from yadokari_operator.pods.errands.observed import Answered, ErrandPod
from yadokari_operator.pods.errands.render import Errand, errand_pod
from yadokari_operator.pods.names import free_number
from yadokari_operator.pods.observed import Standing
from yadokari_operator.pods.outcome import Failed, Waiting
from yadokari_operator.reconcile.attempts import delay
from yadokari_operator.reconcile.cleaning import GRACE
from yadokari_operator.reconcile.decision import Create, Observed, earliest
from yadokari_operator.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What is to be reported and done; `due` is when time alone changes that."""

    report: Status
    actions: tuple[Create, ...] = ()
    due: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Publishing:
    """The publishing of an index as `images`: `run` names the run of which `status` tells what was built.

    `spec` is that of the build as it is by now, with what is needed to push. The index gets the `annotations`
    that the images have. `mark` tells what the images are
    made of, if anything is to, and they are not new where all of them were there already.
    """

    observed: Observed
    spec: ImageBuildSpec
    images: Sequence[str]
    settings: Settings
    run: str
    status: Status
    now: datetime
    annotations: Mapping[str, str]
    mark: str
    is_new: bool = True

    def step(self) -> Step:
        """Decide what comes next."""
        latest = max(self._pods(), key=lambda it: it.number, default=None)
        if latest is None:
            return self._start(1)
        match latest.outcome:
            case Answered(IndexResult() as answer, end):
                build, status = self.observed.build, self.status
                output = reports.index_output(status, self.images, answer)
                report = reports.published(build, status, self.now, output, end, is_new=self.is_new)
                return Step(report=report)
            case Failed() as failed:
                return self._after_failure(latest, failed)
            case _ if latest.deleted is not None and self.now >= latest.deleted + GRACE:
                return self._start(latest.number + 1)
        return self._while_it_lasts(latest)

    def _pods(self) -> Iterator[ErrandPod]:
        for pod in self.observed.errands:
            if pod.standing is Standing.OURS and (pod.verb, pod.token) == (INDEX.name, self.run):
                yield pod

    def _start(self, number: int) -> Step:
        build, repository = self.observed.build, repository_of(self.images[0])
        errand = Errand(
            verb=INDEX,
            words=tuple(f"{repository}@{it.digest}" for it in self.status.run.platforms),
            asked=replace(
                reach(self.spec, self.settings),
                destinations=tuple(self.images),
                annotations={**self.annotations, **({INPUTS_MARK: self.mark} if self.mark else {})},
            ),
            token=self.run,
            number=free_number(build.key.name, INDEX.name, self.run, number, self.observed.taken),
            timeout=seconds(self.spec.timeout),
        )
        pod = errand_pod(build, self.spec, self.settings, errand)
        return Step(report=self._publishing(pod["metadata"]["name"]), actions=(Create(pod),))

    def _while_it_lasts(self, latest: ErrandPod) -> Step:
        build, status, now = self.observed.build, self.status, self.now
        problem = latest.outcome.problem if isinstance(latest.outcome, Waiting) else ""
        limit = self.spec.timeout
        # The kubelet counts from when a node took the pod; here is only known when it was made.
        end = latest.created + timedelta(seconds=2 * seconds(limit)) + GRACE
        if now >= end:
            message = f"the index of all platforms was not published within the timeout of {limit}"
            message += f": {problem}" if problem else ""
            failure = BuildFailure(reason=StateReason.TIMEOUT, message=message)
            return Step(report=reports.failed(build, status, now, failure, now))
        due = earliest(end, latest.deleted and latest.deleted + GRACE)
        if problem and isinstance(latest.outcome, Waiting):
            message = f"the index of all platforms: {problem}"
            return Step(report=reports.blocked(build, status, now, latest.outcome.reason, message), due=due)
        return Step(report=self._publishing(latest.name), due=due)

    def _publishing(self, pod: str) -> Status:
        message = f"all platforms are built, and pod {pod} publishes their index"
        summary = reports.Summary("Building", StateReason.PUSHING, message)
        return reports.under_way(self.observed.build, self.status, self.now, summary)

    def _after_failure(self, latest: ErrandPod, failed: Failed) -> Step:
        build, now = self.observed.build, self.now
        failure = reports.failed_attempt(failed.failure, failed.retry, failed.exit_code)
        failure = replace(failure, message=f"the index of all platforms: {failure.message}")
        is_last = failed.retry is Retry.COUNTED and latest.number > self.spec.retries
        if failed.retry is Retry.NEVER or is_last:
            return Step(report=reports.failed(build, self.status, now, failure, failed.finished))
        begin = failed.finished + timedelta(seconds=delay(latest.number))
        if now < begin:
            return Step(report=reports.retrying(build, self.status, now, failure), due=begin)
        return self._start(latest.number + 1)
