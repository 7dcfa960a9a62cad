"""Decide, from what the cluster holds, what is to be done for an ImageBuild and what to report.

Pure and level-triggered: whatever happened in between, and however often it is asked, the same observation
leads to the same decision. A *run* is one build of one set of inputs, named by their hash; an *attempt* is
one pod of a run.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from pydantic import ValidationError

from yadokari_api import reasons
from yadokari_api.fields import seconds
from yadokari_api.imagebuild import ImageBuild
from yadokari_api.reasons import Reason, Retry
from yadokari_api.spec import ImageBuildSpec
from yadokari_api.status import Status
from yadokari_contract.result import Failure
from yadokari_operator import status
from yadokari_operator.pods.names import context_name, dockerfile_name, pod_name, short_hash
from yadokari_operator.pods.observed import Built, Failed, Pod, Running, Waiting
from yadokari_operator.pods.render import ConfigMapData, Inputs, Manifest, config_maps, pod
from yadokari_operator.settings import Settings
from yadokari_operator.status import Event

MAX_RETRIES = 3
"""How often a build is tried again after failures of the network or a registry."""

_FIRST_DELAY = 10.0
_LONGEST_DELAY = 300.0
_RESYNC = 30.0
_AFTER_REJECTION = 10.0
_GRACE = timedelta(seconds=30)
"""How long a pod may outlive the time at which it should have ended before it counts as lost."""


@dataclass(frozen=True, slots=True)
class Observed:
    """What the cluster holds: the ImageBuild, its pods, and those ConfigMaps of its spec that exist."""

    build: ImageBuild
    pods: tuple[Pod, ...]
    config_maps: Mapping[str, ConfigMapData]


@dataclass(frozen=True, slots=True)
class Create:
    """Make a resource; that it is there already is fine."""

    manifest: Manifest


@dataclass(frozen=True, slots=True)
class DeletePod:
    """Delete a pod; that it is gone already is fine."""

    name: str


@dataclass(frozen=True, slots=True)
class DeleteConfigMap:
    """Delete a ConfigMap; that it is gone already is fine."""

    name: str


Action = Create | DeletePod | DeleteConfigMap


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do, in this order: the actions, then the event, then the status; and when to look again.

    `unacted` is how far the run has come without the actions: what is reported of it where the API server
    refuses one.
    """

    actions: tuple[Action, ...]
    status: Status
    unacted: Status
    event: Event | None
    look_again: float | None


@dataclass(frozen=True, slots=True)
class Missing:
    """Why the inputs cannot be known yet."""

    reason: Reason
    message: str


def reconcile(observed: Observed, settings: Settings, now: datetime) -> Decision:
    """Decide what is to be done for an ImageBuild."""
    build = observed.build
    try:
        spec = ImageBuildSpec.model_validate(build.spec)
    except ValidationError as error:
        failure = Failure(reasons.INVALID_SPEC.name, _explain(error))
        report = status.failed(build, Status(), now, failure, None)
        return _decided(build, _cleaning(observed, ""), report)
    inputs = gather(spec, observed.config_maps)
    if isinstance(inputs, Missing):
        return _without_inputs(observed, inputs, now)
    return _Run(observed, inputs, settings, now).decide()


def rejected(build: ImageBuild, decision: Decision, message: str, now: datetime) -> Decision:
    """Decide what to report when the API server refused to make what `decision` wanted."""
    report = status.blocked(build, decision.unacted, now, reasons.POD_REJECTED, message)
    return _decided(build, [], report, look_again=_AFTER_REJECTION)


def gather(spec: ImageBuildSpec, maps: Mapping[str, ConfigMapData]) -> Inputs | Missing:
    """Put together all that defines the image."""
    dockerfile = _dockerfile(spec, maps)
    if isinstance(dockerfile, Missing):
        return dockerfile
    context = None
    if spec.context is not None:
        name = spec.context.config_map.name
        context = maps.get(name)
        if context is None:
            return Missing(reasons.CONTEXT_NOT_FOUND, f"ConfigMap {name} of spec.context does not exist")
    return Inputs(spec, dockerfile, context, _hash(spec, dockerfile, context))


def _dockerfile(spec: ImageBuildSpec, maps: Mapping[str, ConfigMapData]) -> str | Missing:
    if spec.dockerfile_from is None:
        return spec.dockerfile or ""
    source = spec.dockerfile_from.config_map_key_ref
    found = maps.get(source.name)
    if found is None:
        return Missing(
            reasons.DOCKERFILE_NOT_FOUND, f"ConfigMap {source.name} of spec.dockerfileFrom does not exist"
        )
    if source.key not in found.text:
        keys = ", ".join(sorted(found.text)) or "none"
        message = f"ConfigMap {source.name} has no key {source.key}: its keys are {keys}"
        return Missing(reasons.DOCKERFILE_NOT_FOUND, message)
    return found.text[source.key]


def _hash(spec: ImageBuildSpec, dockerfile: str, context: ConfigMapData | None) -> str:
    """Hash contents, not where they come from; defaults are left out, so that new fields change no hash.

    The operator's own settings do not count: an upgrade must not build every image of a cluster anew.
    """
    contents = {"dockerfile", "dockerfile_from", "context"}
    fields = spec.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude=contents)
    files = None if context is None else [dict(context.text), dict(context.binary)]
    text = json.dumps([fields, dockerfile, files], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _without_inputs(observed: Observed, missing: Missing, now: datetime) -> Decision:
    """Decide while a source is missing: what is finished stays so, anything else ends and waits for it."""
    build = observed.build
    if build.status.finished and build.status.observed_generation == build.generation:
        return _decided(build, [], build.status)
    report = status.blocked(build, Status(), now, missing.reason, missing.message)
    return _decided(build, _cleaning(observed, ""), report)


class _Run:
    """One look at the run of the current inputs."""

    def __init__(self, observed: Observed, inputs: Inputs, settings: Settings, now: datetime) -> None:
        self.build = observed.build
        self.observed = observed
        self.inputs = inputs
        self.settings = settings
        self.now = now
        begun = self.build.status.inputs_hash == inputs.hash
        self.status = self.build.status if begun else Status(inputs_hash=inputs.hash)
        mine = [pod for pod in observed.pods if pod.inputs == short_hash(inputs.hash)]
        self.pods = sorted(mine, key=lambda pod: pod.attempt)

    def decide(self) -> Decision:
        if self.status.finished:
            return self._decided(status.kept(self.build))
        if any(self._holds_up(pod) for pod in self.observed.pods if pod not in self.pods):
            message = "the pod of the build before has to end first"
            return self._decided(status.waiting(self.build, self.status, self.now, message))
        if not self.pods or self.pods[-1].attempt < self.status.attempt:
            return self._start(self.status.attempt + 1, self.status.retries)
        return self._look_at(self.pods[-1])

    def _look_at(self, latest: Pod) -> Decision:
        build, now = self.build, self.now
        run = replace(
            self.status,
            attempt=latest.attempt,
            retries=latest.retries,
            pod_name=latest.name,
            start_time=self.status.start_time or status.format_time(latest.created),
        )
        match latest.outcome:
            case Built(result, finished):
                image = self.inputs.spec.destinations[0].image
                return self._decided(status.succeeded(build, run, now, image, result, finished))
            case Failed():
                return self._after_failure(latest, latest.outcome, run)
            case _ if self._is_lost(latest):
                return self._start(latest.attempt + 1, latest.retries)
            case Waiting(problem):
                return self._while_waiting(latest, problem, run)
            case Running():
                return self._decided(status.building(build, run, now))

    def _while_waiting(self, latest: Pod, problem: str, run: Status) -> Decision:
        build, now = self.build, self.now
        timeout = self.inputs.spec.timeout
        if now > latest.created + timedelta(seconds=seconds(timeout)):
            message = f"the pod did not start within {timeout}: {problem or 'no reason is known'}"
            report = status.failed(build, run, now, Failure(reasons.TIMEOUT.name, message), now)
            return self._decided(report, DeletePod(latest.name))
        if problem:
            return self._decided(status.blocked(build, run, now, reasons.POD_PENDING, problem))
        return self._decided(status.waiting(build, run, now, f"pod {latest.name} is about to start"))

    def _after_failure(self, latest: Pod, outcome: Failed, run: Status) -> Decision:
        build, now = self.build, self.now
        counted = outcome.retry is Retry.COUNTED
        if outcome.retry is Retry.NEVER or (counted and latest.retries >= MAX_RETRIES):
            return self._decided(status.failed(build, run, now, outcome.failure, outcome.finished))
        begin = outcome.finished + timedelta(seconds=_delay(latest.attempt))
        if now < begin:
            report = status.retrying(build, run, now, outcome.failure)
            return self._decided(report, look_again=(begin - now).total_seconds())
        return self._start(latest.attempt + 1, latest.retries + counted)

    def _start(self, attempt: int, retries: int) -> Decision:
        """Begin an attempt; of those before, the latest pod is kept for its log."""
        name = pod_name(self.build.key.name, self.inputs.hash, attempt)
        run = replace(self.status, attempt=attempt, retries=retries, pod_name=name)
        report = status.waiting(self.build, run, self.now, f"pod {name} is about to start")
        manifests = [
            *config_maps(self.build, self.inputs),
            pod(self.build, self.inputs, self.settings, attempt=attempt, retries=retries),
        ]
        old = [DeletePod(before.name) for before in self.pods[:-1]]
        return self._decided(report, *old, *map(Create, manifests))

    def _decided(self, report: Status, *actions: Action, look_again: float = _RESYNC) -> Decision:
        cleaning = _cleaning(self.observed, self.inputs.hash)
        return _decided(self.build, [*cleaning, *actions], report, self.status, look_again)

    def _is_lost(self, pod: Pod) -> bool:
        return pod.deleted is not None and self.now > pod.deleted + _GRACE

    def _holds_up(self, pod: Pod) -> bool:
        """Whether a pod of an earlier run may still push its image after the one of this run is there."""
        return not pod.finished and not self._is_lost(pod)


def _decided(
    build: ImageBuild,
    actions: Iterable[Action],
    report: Status,
    unacted: Status | None = None,
    look_again: float = _RESYNC,
) -> Decision:
    return Decision(
        actions=tuple(actions),
        status=report,
        unacted=unacted or report,
        event=status.event(build.status, report),
        look_again=None if report.finished else look_again,
    )


def _cleaning(observed: Observed, current: str) -> list[Action]:
    """Delete what earlier runs left: pods of other inputs than `current`, and the last run's ConfigMaps."""
    name, before = observed.build.key.name, observed.build.status.inputs_hash
    actions: list[Action] = [
        DeletePod(pod.name)
        for pod in observed.pods
        if pod.inputs != short_hash(current) and pod.deleted is None
    ]
    if before and before != current:
        actions += [DeleteConfigMap(make(name, before)) for make in (dockerfile_name, context_name)]
    return actions


def _delay(attempt: int) -> float:
    """Tell how many seconds to wait after this attempt: twice as long each time."""
    return min(_FIRST_DELAY * 2.0 ** min(attempt - 1, 10), _LONGEST_DELAY)


def _explain(error: ValidationError) -> str:
    """Say what is wrong with a spec, without the values, which may be long."""
    problems = ((".".join(["spec", *map(str, problem["loc"])]), problem["msg"]) for problem in error.errors())
    return "; ".join(f"{place}: {message}" for place, message in problems)[:1024]
