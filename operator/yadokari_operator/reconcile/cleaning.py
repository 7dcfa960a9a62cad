"""What a build no longer needs goes.

Nothing goes before the status as it is stored says what came of it: whoever is killed in between finds all
that he needs to go on. What is not ours never goes.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from yadokari_api.fields import seconds
from yadokari_api.pod.platforms import word_of
from yadokari_api.spec import ImageBuildSpec, PodRetention
from yadokari_api.status import Status
from yadokari_contract.verbs import INDEX
from yadokari_operator.pods.errands.observed import ErrandPod
from yadokari_operator.pods.observed import KnownPod, Pod, Standing
from yadokari_operator.pods.outcome import Built, Failed
from yadokari_operator.pods.strays import Stray
from yadokari_operator.reconcile.decision import Delete, Observed, earliest

_UNTIL_ASKED = timedelta(minutes=5)

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


def clean(
    observed: Observed,
    run: str,
    stored: Status | None,
    keeping: Keeping,
    now: datetime,
    following: str = "",
) -> Cleaning:
    """Decide what goes while `run` is the current one, empty if there is none.

    `stored` is the status as it is stored, if that is about this run. `following` is the run that begins if
    something is found to have moved.
    """
    ended = stored is not None and stored.finished
    pods, pods_due = _attempts(observed, run, stored, keeping, now)
    errands, errands_due = _errands(observed, run, keeping, now, ended=ended)
    strays, strays_due = _strays(observed, run, following, now, ended=ended)
    maps = [it for it in observed.config_maps if ended or it.run != run]
    return Cleaning(
        (
            *(Delete("Pod", pod.name, pod.uid, _version(pod)) for pod in pods if pod.deleted is None),
            *(Delete("Pod", pod.name, pod.uid, _version(pod)) for pod in errands if pod.deleted is None),
            # How long it may take to end is said by who made it.
            *(Delete("Pod", pod.name, pod.uid, at_once=True) for pod in strays),
            *(Delete("ConfigMap", it.name, it.uid) for it in maps),
        ),
        earliest(pods_due, errands_due, strays_due),
    )


def _attempts(
    observed: Observed, run: str, stored: Status | None, keeping: Keeping, now: datetime
) -> tuple[list[Pod], datetime | None]:
    """Tell which pods of attempts go, and when the next one does: some that have ended are kept."""
    ended = stored is not None and stored.finished
    ours = [pod for pod in observed.pods if pod.standing is Standing.OURS]
    gone = [pod for pod in observed.pods if pod.standing is Standing.LEFT]
    gone += [pod for pod in ours if pod.finished is None and (ended or pod.run != run)]
    latest = sorted((pod for pod in ours if pod.finished is not None), key=_when, reverse=True)
    due: datetime | None = None
    for number, pod in enumerate(latest):
        if pod.run == run and not (ended or _is_told(pod, stored)):
            continue
        later = sum(it.part == pod.part for it in latest[:number])
        expiry = _expiry(pod, keeping) if later < keeping.limit else now
        if expiry <= now:
            gone.append(pod)
        elif pod.deleted is None:
            due = earliest(due, expiry)
    return gone, due


def _is_told(pod: Pod, stored: Status | None) -> bool:
    """Whether the status says what came of an attempt of its run."""
    if stored is None:
        return False
    for one in stored.run.platforms:
        if word_of(one.platform) == pod.part:
            return one.digest is not None or pod.attempt < one.attempt
    return pod.attempt < stored.run.attempt


def _errands(
    observed: Observed, run: str, keeping: Keeping, now: datetime, *, ended: bool
) -> tuple[list[ErrandPod], datetime | None]:
    """Tell which pods of indexes go, and when the next one does: the log of one that failed is kept."""
    gone = [pod for pod in observed.errands if pod.standing is Standing.LEFT]
    due: datetime | None = None
    kept = timedelta(seconds=seconds(keeping.retention.failed))
    for pod in observed.errands:
        if pod.standing is not Standing.OURS or pod.verb != INDEX.name or (pod.token == run and not ended):
            continue
        expiry = pod.outcome.finished + kept if isinstance(pod.outcome, Failed) and keeping.limit else now
        if expiry <= now:
            gone.append(pod)
        else:
            due = earliest(due, expiry)
    return gone, due


def _strays(
    observed: Observed, run: str, following: str, now: datetime, *, ended: bool
) -> tuple[list[Stray], datetime | None]:
    """Tell which pods go that we do not know, and when the next one does.

    One of the current run may be ours: it is found when it is made again. One that asks, or is of the run
    that follows, may be so until it is known again what has moved.
    """
    gone: list[Stray] = []
    due: datetime | None = None
    for stray in observed.strays:
        if stray.asks or (ended and stray.run == following):
            expiry = stray.created + _UNTIL_ASKED
        elif ended or stray.run != run:
            expiry = now
        else:
            continue
        if expiry <= now:
            gone.append(stray)
        else:
            due = earliest(due, expiry)
    return gone, due


def _version(pod: KnownPod) -> str:
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
