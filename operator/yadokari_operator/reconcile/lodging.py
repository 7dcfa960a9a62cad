"""Whether an attempt builds in the container of its base image, by what was told of that one.

A hint and never a truth: the executor finds out itself what its container holds, and an ordinary pod builds
where that is of no use.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from yadokari_api.fields import repository_of
from yadokari_api.pod.executor import Executor
from yadokari_api.spec import ImageBuildSpec
from yadokari_api.status import Lodging, Status
from yadokari_contract import references
from yadokari_contract.results.build import BuildResult
from yadokari_contract.results.lodging import NotLodged
from yadokari_operator.pods.lodging import familiar, is_wanted, mode_of
from yadokari_operator.pods.observed import Pod
from yadokari_operator.pods.outcome import Built
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


def base_for(status: Status, spec: ImageBuildSpec, settings: Settings, platform: str | None) -> str:
    """Name the base image in whose own container an attempt is to build; "" for none."""
    entry = next((it for it in status.lodging if it.platform == platform), None)
    if entry is None or entry.unusable or not is_wanted(spec, settings):
        return ""
    # Not every status is the operator's own: one may come from a backup, or from whoever may write it.
    if not _IMAGE.fullmatch(entry.image):
        return ""
    if status.run.reason == "BaseImageChanged" or _is_needless(entry, spec, settings):
        return ""
    return entry.image


def _is_needless(entry: Lodging, spec: ImageBuildSpec, settings: Settings) -> bool:
    """Whether all that the base is for was in the cache, and probably is again."""
    return entry.reason == NotLodged.NOT_NEEDED and mode_of(spec.executor or Executor(), settings) == "Auto"


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
    kept = (_given_up(base, it.platform, why) if it.image == base else it for it in status.lodging)
    return replace(status, lodging=tuple(kept))


def _given_up(base: str, platform: str | None, why: str) -> Lodging:
    message = word(f"no pod of {familiar(base)} could build: {why}")
    return Lodging(image=base, platform=platform, reason="PodFailed", message=message, unusable=True)


def _told(pod: Pod, result: BuildResult, platform: str | None, before: Lodging | None) -> Lodging | None:
    """Tell what the next run can do, by what an executor told of this one."""
    told = result.lodging
    if told is None or not _is_right(told.image, (it.reference for it in result.bases)):
        return None
    if before and before.unusable and before.image == told.image:
        return before
    if result.total_steps and not result.performed:
        return Lodging(image=told.image, platform=platform, reason=NotLodged.NOT_NEEDED)
    reason, message = (told.reason, told.message) if pod.base else ("", "")
    reason = reason if reason in set(NotLodged) else ""
    return Lodging(
        image=told.image,
        platform=platform,
        stage=word(told.stage) or None if pod.base else None,
        reason=reason or None,
        message=word(message) or None if reason else None,
        unusable=(reason in _AGAIN and pod.base == told.image) or None,
    )


def _is_right(image: str, bases: Iterable[str]) -> bool:
    """Whether what an executor names can be the base of a pod: of a repository of the Dockerfile's bases."""
    repository = repository_of(image.partition("@")[0])
    return bool(_IMAGE.fullmatch(image)) and repository in {
        repository_of(base.partition("@")[0]) for base in bases
    }
