"""Whether an attempt builds in the container of its base image, by what is known of that one.

A hint and never a truth: the executor finds out itself what its container holds, and an ordinary pod builds
where that is of no use.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from yadokari_api.fields import repository_of
from yadokari_api.pod.executor import Executor
from yadokari_api.spec import ImageBuildSpec
from yadokari_api.status import Base, Lodging, Status
from yadokari_contract import references
from yadokari_contract.results.build import BuildResult
from yadokari_contract.results.lodging import NotLodged
from yadokari_operator.pods.inputs.bases import first_base, is_tagged, pinned
from yadokari_operator.pods.inputs.gathered import Inputs
from yadokari_operator.pods.lodging import PATIENCE, familiar, is_wanted, mode_of
from yadokari_operator.pods.observed import Pod
from yadokari_operator.pods.outcome import Built
from yadokari_operator.reconcile.decision import Answer, Want
from yadokari_operator.reports import word
from yadokari_operator.settings import Settings

_IMAGE = re.compile(rf"{references.DOMAIN}/{references.PATH}@{references.DIGEST}", re.ASCII)
_AGAIN = frozenset(
    {
        *(NotLodged.FILES_DIFFER, NotLodged.ISOLATION, NotLodged.OTHER_STAGES),
        *(NotLodged.ROOT_CHANGED, NotLodged.VOLUMES),
    }
)
"""Why a base was unpacked that the next run would have to unpack as well."""
_ROUNDED = 2.0
"""What the times of a pod, whole seconds, and the start of any container come to."""
_LONGEST = 10**6
_RECENT = timedelta(minutes=10)
"""For how long an answer is good that another build has asked for, or clocks differ."""


def base_for(status: Status, inputs: Inputs, settings: Settings, platform: str | None) -> str:
    """Name the base image in whose own container an attempt is to build; "" for none."""
    spec = inputs.spec
    if not is_wanted(spec, settings):
        return ""
    entry = _entry(status, platform)
    if entry is None:
        return pinned(first_base(inputs.dockerfile))
    # Not every status is the operator's own: one may come from a backup, or from whoever may write it.
    if entry.unusable or not _IMAGE.fullmatch(entry.image):
        return ""
    return "" if _is_auto(spec, settings) and (_is_needless(entry) or _is_slow(entry)) else entry.image


def _entry(status: Status, platform: str | None) -> Lodging | None:
    return next((it for it in status.lodging if it.platform == platform), None)


def _is_auto(spec: ImageBuildSpec, settings: Settings) -> bool:
    return mode_of(spec.executor or Executor(), settings) == "Auto"


def _is_needless(entry: Lodging) -> bool:
    """Whether all that the base is for was in the cache, and probably is again."""
    return entry.reason == NotLodged.NOT_NEEDED


def _is_slow(entry: Lodging) -> bool:
    """Whether nodes took longer to have the base than executors took to unpack it."""
    if entry.pulled is None or entry.unpacked is None:
        return False
    return entry.pulled > entry.unpacked + _ROUNDED


def renewed(status: Status, before: Status, inputs: Inputs, answers: Mapping[str, Answer]) -> Status:
    """Name the bases by what is known of them when a run begins, after that of which `before` tells.

    The Dockerfile may pin another one by now, or the run begins since one is known to have moved.
    """
    pin = pinned(first_base(inputs.dockerfile))
    if pin and pin.partition("@")[2] not in {it.digest for it in before.bases}:
        lodging = (_instead(it, pin) if _are_kin(it.image, pin) else it for it in status.lodging)
        return replace(status, lodging=tuple(lodging))
    if status.run.reason == "BaseImageChanged":
        moved = (_moved(it, before.bases, answers) for it in status.lodging)
        return replace(status, lodging=tuple(filter(None, moved)))
    return status


def _instead(entry: Lodging, image: str) -> Lodging:
    """Name another image of the same repository: how long it takes is much the same."""
    return Lodging(image=image, platform=entry.platform, pulled=entry.pulled, unpacked=entry.unpacked)


def _moved(entry: Lodging, bases: Iterable[Base], answers: Mapping[str, Answer]) -> Lodging | None:
    """Name what a base was found to have moved to; `None` where no name or several may be meant."""
    repository = _repository(entry.image)
    names = [it.reference for it in bases if _are_kin(it.reference, entry.image)]
    answer = answers.get(names[0]) if len(names) == 1 else None
    return _instead(entry, f"{repository}@{answer.resolved}") if answer and answer.resolved else None


@dataclass(frozen=True, slots=True)
class Question:
    """What a base is, asked for once before the first run begins, and until when that waits for an answer."""

    name: str
    since: datetime

    @property
    def until(self) -> datetime:
        """When the run begins without an answer."""
        return self.since + PATIENCE

    @property
    def want(self) -> Want:
        """What to ask."""
        return Want(self.name, self.since, PATIENCE)

    def answered(
        self, status: Status, answers: Mapping[str, Answer], platforms: Iterable[str | None]
    ) -> Status | None:
        """Note the answer for all platforms of which nothing is known; `None` if there is none yet."""
        answer = answers.get(self.name)
        if answer is None or answer.time < self.since - _RECENT:
            return None
        base = _repository(self.name)
        if answer.resolved:
            entry = Lodging(image=f"{base}@{answer.resolved}")
        else:
            why = word(f"what {self.name} is was asked for in vain: {answer.failure}")
            entry = Lodging(image=base, reason="Unknown", message=why, unusable=True)
        new = (replace(entry, platform=it) for it in platforms if _entry(status, it) is None)
        return replace(status, lodging=(*status.lodging, *new))


def question(status: Status, inputs: Inputs, settings: Settings, platform: str | None) -> Question | None:
    """Tell what is to be asked for before an attempt begins: where a base is wanted whatever that takes."""
    name, since = first_base(inputs.dockerfile), status.run.queued_at
    is_always = mode_of(inputs.spec.executor or Executor(), settings) == "Always"
    if not is_always or not is_wanted(inputs.spec, settings) or not is_tagged(name) or since is None:
        return None
    return None if _entry(status, platform) else Question(name, datetime.fromisoformat(since))


def noted(status: Status, pods: Mapping[str | None, Pod | None], now: datetime) -> Status:
    """Note what the latest pod of each platform tells of its base."""
    found = {it.platform: it for it in status.lodging}
    for platform, pod in pods.items():
        if pod is None:
            continue
        if why := pod.cannot_lodge(now):
            found[platform] = _given_up(pod.base, platform, why)
        elif isinstance(pod.outcome, Built):
            told = _told(pod, pod.outcome.result, platform, found.pop(platform, None))
            found |= {platform: told} if told else {}
    return replace(status, lodging=tuple(found.values()))


def without(status: Status, base: str, why: str) -> Status:
    """Note that no pod is to be of a base image, since the API server takes none."""
    found = {it.platform: it for it in status.lodging}
    for platform in (None,) if not status.run.platforms else (it.platform for it in status.run.platforms):
        if platform not in found or found[platform].image == base:
            found[platform] = _given_up(base, platform, why)
    return replace(status, lodging=tuple(found.values()))


def _given_up(base: str, platform: str | None, why: str) -> Lodging:
    message = word(f"no pod of {familiar(base)} could build: {why}")
    return Lodging(image=base, platform=platform, reason="PodFailed", message=message, unusable=True)


def _told(pod: Pod, result: BuildResult, platform: str | None, before: Lodging | None) -> Lodging | None:
    """Tell what the next run can do, by what an executor told of this one."""
    told = result.lodging
    if told is None or not _is_right(told.image, result):
        return None
    if before and before.unusable and _is_that(before.image, told.image, result):
        return before
    # A node knows an image by the digests that it was pulled by: the one that ran before stays.
    names = (it for it in (pod.base, before.image if before else "") if _is_that(it, told.image, result))
    image = next(names, told.image)
    entry = _timed(Lodging(image=image, platform=platform), pod, told.unpacking, before)
    if result.total_steps and not result.performed:
        return replace(entry, reason=NotLodged.NOT_NEEDED)
    if not pod.base:
        return entry
    reason = told.reason if told.reason in set(NotLodged) else None
    return replace(
        entry,
        stage=word(told.stage) or None,
        reason=reason,
        message=word(told.message) or None if reason else None,
        unusable=(reason in _AGAIN and _is_that(pod.base, told.image, result)) or None,
    )


def _timed(entry: Lodging, pod: Pod, unpacking: float, before: Lodging | None) -> Lodging:
    """Note how long the base took, beside what was known of that repository.

    Each run halves what was before: a node that had to pull says little of the next one, and is forgotten.
    """
    known = before if before and _are_kin(before.image, entry.image) else entry
    pulled, unpacked = known.pulled, known.unpacked
    if pod.base:
        pulled = pod.pulling if pulled is None or pod.pulling is None else (pulled + pod.pulling) / 2
    else:
        pulled = None if pulled is None else pulled / 2
        unpacked = round(unpacking, 2) if 0 < unpacking < _LONGEST else unpacked
    return replace(
        entry, pulled=None if pulled is None else round(min(pulled, _LONGEST), 2), unpacked=unpacked
    )


def _is_right(image: str, result: BuildResult) -> bool:
    """Whether what an executor names can be the base of a pod: of a repository of the Dockerfile's bases."""
    return bool(_IMAGE.fullmatch(image)) and any(_are_kin(it.reference, image) for it in result.bases)


def _is_that(base: str, image: str, result: BuildResult) -> bool:
    """Whether a base is that image, or an index with it, as far as the executor has found that."""
    if not _IMAGE.fullmatch(base):
        return False
    indexes = {it.digest for it in result.bases if _are_kin(it.reference, base)}
    return base == image or (_are_kin(base, image) and indexes == {base.partition("@")[2]})


def _are_kin(one: str, other: str) -> bool:
    return _repository(one) == _repository(other)


def _repository(image: str) -> str:
    return repository_of(image.partition("@")[0])
