"""What a build no longer needs goes.

Nothing goes before the status as it is stored says what came of it: whoever is killed in between finds all
that he needs to go on. What is not ours never goes.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from yadokari_api.fields import seconds
from yadokari_api.spec import ImageBuildSpec, PodRetention
from yadokari_api.status import Status
from yadokari_operator.pods.observed import Pod, Standing
from yadokari_operator.pods.outcome import Built
from yadokari_operator.reconcile.decision import Delete, Observed, earliest

GRACE = timedelta(seconds=30)
"""How long a pod may outlive the time at which it should have ended."""


@dataclass(frozen=True, slots=True)
class Keeping:
    """How long pods that have ended are kept for their logs, and how many."""

    retention: PodRetention = field(default_factory=PodRetention)
    limit: int = 1

    @classmethod
    def of(cls, spec: ImageBuildSpec) -> "Keeping":
        """Take what a spec says."""
        return cls(spec.pod_retention, spec.history_limit)


@dataclass(frozen=True, slots=True)
class Cleaning:
    """What goes now, and when the next thing does."""

    actions: tuple[Delete, ...]
    due: datetime | None


def clean(observed: Observed, run: str, stored: Status | None, keeping: Keeping, now: datetime) -> Cleaning:
    """Decide what goes while `run` is the current one, empty if there is none.

    `stored` is the status as it is stored, if that is about this run.
    """
    ended = stored is not None and stored.finished
    ours = [pod for pod in observed.pods if pod.standing is Standing.OURS]
    gone = [pod for pod in observed.pods if pod.standing is Standing.LEFT]
    gone += [pod for pod in ours if pod.finished is None and (ended or pod.run != run)]
    latest = sorted((pod for pod in ours if pod.finished is not None), key=_when, reverse=True)
    due: datetime | None = None
    for number, pod in enumerate(latest):
        told = ended or (stored is not None and pod.attempt < stored.run.attempt)
        if pod.run == run and not told:
            continue
        expiry = _expiry(pod, keeping) if number < keeping.limit else now
        if expiry <= now:
            gone.append(pod)
        elif pod.deleted is None:
            due = earliest(due, expiry)
    maps = [it for it in observed.config_maps if ended or it.run != run]
    return Cleaning(
        (
            *(Delete("Pod", pod.name, pod.uid, _version(pod)) for pod in gone if pod.deleted is None),
            *(Delete("ConfigMap", it.name, it.uid) for it in maps),
        ),
        due,
    )


def _version(pod: Pod) -> str:
    """Tell the version to delete: what was left without an owner may have got one by now."""
    return pod.version if pod.standing is Standing.LEFT else ""


def _when(pod: Pod) -> tuple[datetime, int]:
    return pod.finished or pod.created, pod.attempt


def _expiry(pod: Pod, keeping: Keeping) -> datetime:
    """Tell when an ended pod goes: soon, if the cluster put a container beside the executor that runs on."""
    retention = keeping.retention
    kept = retention.succeeded if isinstance(pod.outcome, Built) else retention.failed
    ended = pod.finished or pod.created
    expiry = ended + timedelta(seconds=seconds(kept))
    return expiry if pod.over else min(expiry, ended + GRACE)
