"""The spans of a run that has ended: what it waited for, its pods, and the look that saw its end.

Pure. A run is told when its end is stored for the first time, and never again; all ids follow from the run.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from yadokari_api.imagebuild import ImageBuild
from yadokari_api.status import Status
from yadokari_contract.telemetry.trace import Span, TraceContext, Value
from yadokari_contract.verbs import INDEX
from yadokari_operator.pods.errands.observed import ErrandPod
from yadokari_operator.pods.given.traces import context_of
from yadokari_operator.pods.names import run_in
from yadokari_operator.pods.observed import Pod
from yadokari_operator.pods.outcome import Failed
from yadokari_operator.reports import Reconciled

_REPLACED = "another run came in its place"


def ended(build: ImageBuild, pods: Sequence[Pod | ErrandPod], seen: Reconciled) -> Iterator[Span]:
    """Tell of the run that a look at a build has found at its end; nothing where it has found none."""
    before, now = build.status, seen.status
    if before.run.number < now.run.number and not before.finished:
        yield from _run(build, before, pods, seen, _REPLACED)
    if now.finished and not (before.finished and before.run.number == now.run.number):
        failure = now.failure.message if now.failure else now.message
        yield from _run(build, now, pods, seen, None if now.phase == "Succeeded" else failure)


def _run(
    build: ImageBuild,
    status: Status,
    pods: Sequence[Pod | ErrandPod],
    seen: Reconciled,
    error: str | None,
) -> Iterator[Span]:
    run = status.run
    named = next(filter(None, (run.pod, *(it.pod for it in run.platforms))), None)
    name, began = run_in(build.key.name, named), run.queued_at or run.started_at
    if not name or began is None:
        return
    root, start = context_of(build, name), datetime.fromisoformat(began)
    yield Span(
        context=root,
        name="ImageBuild",
        start=start.timestamp(),
        end=seen.stored.timestamp(),
        attributes=_about(build, status, error),
        error=error,
    )
    if run.started_at:
        yield _part(root, "queued", start, datetime.fromisoformat(run.started_at))
    for pod in pods:
        match pod:
            case Pod() if pod.run == name:
                yield from _pod(root, pod, seen.stored)
            case ErrandPod() if (pod.verb, pod.token) == (INDEX.name, name):
                yield _publishing(root, pod, seen.stored)
    yield _part(root, "reconcile", seen.begun, seen.stored)


def _pod(root: TraceContext, pod: Pod, now: datetime) -> Iterator[Span]:
    error = pod.outcome.failure.message if isinstance(pod.outcome, Failed) else None
    end = pod.finished or now
    about: dict[str, Value] = {
        "k8s.pod.name": pod.name,
        "k8s.node.name": pod.node,
        "yadokari.attempt": pod.attempt,
    }
    yield _part(root, "pod", pod.created, end, pod.name, about, error)
    own = root.below(pod.name)
    start_error = error if pod.began is None else None
    yield _part(own, "pod start", pod.created, pod.began or end, error=start_error)


def _publishing(root: TraceContext, pod: ErrandPod, now: datetime) -> Span:
    """Tell of the index of several platforms, which a small pod of its own pushes."""
    about: dict[str, Value] = {"k8s.pod.name": pod.name, "yadokari.attempt": pod.number}
    error = pod.outcome.failure.message if isinstance(pod.outcome, Failed) else None
    return _part(root, "publish", pod.created, pod.finished or now, pod.name, about, error)


def _part(
    parent: TraceContext,
    name: str,
    start: datetime,
    end: datetime,
    key: str = "",
    about: Mapping[str, Value] | None = None,
    error: str | None = None,
) -> Span:
    return Span(
        context=parent.below(key or name),
        parent=parent.span,
        name=name,
        start=start.timestamp(),
        end=end.timestamp(),
        attributes=about or {},
        error=error,
    )


def _about(build: ImageBuild, status: Status, error: str | None) -> Mapping[str, Value]:
    run = status.run
    about: dict[str, Value | None] = {
        "k8s.namespace.name": build.key.namespace,
        "yadokari.imagebuild.name": build.key.name,
        "yadokari.imagebuild.uid": build.uid,
        "yadokari.run.number": run.number,
        "yadokari.run.reason": run.reason,
        "yadokari.run.attempts": run.attempt,
        "yadokari.image.digest": status.output.digest if status.output else None,
        "error.type": _type(status, error),
    }
    return {name: value for name, value in about.items() if value is not None}


def _type(status: Status, error: str | None) -> str | None:
    if error is None:
        return None
    return "Replaced" if error == _REPLACED else status.failure.reason if status.failure else status.reason
