"""Read what a build owns: whose it is, which attempt a pod is, and how far that has come."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from types import MappingProxyType
from typing import Any

from yadokari_api.imagebuild import ImageBuild, is_controlled_by
from yadokari_api.keys import (
    ANNOTATION_GENERATION,
    ANNOTATION_RETRIES,
    CONTAINER,
    KIND,
    LABEL_BUILD,
    LABEL_MANAGER,
    LABEL_RUN,
    MANAGER,
    QUEUE,
    Key,
)
from yadokari_contract.reasons import SUCCESS, Reason
from yadokari_contract.results.build import Failure
from yadokari_operator.pods import runtime
from yadokari_operator.pods.again import Makings
from yadokari_operator.pods.lodging import PATIENCE as LODGING_PATIENCE
from yadokari_operator.pods.names import (
    label_value,
    parse_config_map_name,
    parse_errand_name,
    parse_pod_name,
)
from yadokari_operator.pods.outcome import (
    Built,
    Failed,
    Outcome,
    Waiting,
    began,
    is_over,
    is_unmounted,
    is_unstartable,
    outcome_of,
    parse_time,
    prepared,
    why_deleted,
)

PATIENCE = timedelta(seconds=120)
"""How long the volumes of a pod may take to be mounted before that is held against an image volume."""

_DIGITS = 9

_NOT_HERE = (Reason.INVALID_ARGUMENTS.exit_code, Reason.INTERNAL_ERROR.exit_code, SUCCESS)
"""How an executor ends that may have found the container of a base unfit: another one tells.

It seems to succeed and has built nothing where a variable of the image has the loader of programs say what it
would load (LD_TRACE_LOADED_OBJECTS).
"""


class Standing(Enum):
    """Whose a resource is that bears a build's label."""

    OURS = "ours"
    EARLIER = "of an earlier ImageBuild of this name: the garbage collector deletes it"
    LEFT = "made for an earlier ImageBuild of this name and left without an owner when that was deleted"


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownPod:
    """What is told of any pod that was made for a build.

    `limit` is for how many seconds it may live once a node took it, `deleted` when it is to be gone, if
    somebody deleted it; `version` is what of it was seen.
    """

    uid: str
    name: str
    standing: Standing
    created: datetime
    limit: int | None
    deleted: datetime | None
    version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod(KnownPod):
    """An attempt's pod.

    `run` names the build that it belongs to, `part` is the word of its platform where there are several (see
    `platforms.word_of`), `generation` is that of the spec that it was made for (0 if it does not say),
    `destinations` and `annotations` of the image are those that it was given, as is `mark`, which tells what
    the image is made of. `accepted` is when a node took it, `why_deleted` who deleted it, if somebody did.
    `over` is whether nothing of it runs any more. `node` is where it runs, empty before that is decided,
    `node_selector` says which nodes it demands. `unmounted` is whether that node could not mount the
    executor's own files from its image, `mounting` since when it is to.
    `base` is the base image that its container is, if it is one, `unstartable` whether the node cannot
    start that.
    `queued` is whether it waits, or has waited, for somebody else than the scheduler, `prepared` is when its
    node had nothing left to do but to get the executor's image and start it, `began` when that was done,
    `makings` what another attempt would be made of.
    """

    run: str
    attempt: int
    part: str
    retries: int
    generation: int
    accepted: datetime | None
    over: bool
    outcome: Outcome
    node: str = ""
    node_selector: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    destinations: tuple[str, ...] = ()
    annotations: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    mark: str = ""
    base: str = ""
    unstartable: bool = False
    unmounted: bool = False
    mounting: datetime | None = None
    queued: bool = False
    prepared: datetime | None = None
    began: datetime | None = None
    makings: Makings = field(default_factory=Makings)
    why_deleted: Failure | None = None

    def lacks_runtime(self, now: datetime) -> bool:
        """Whether an image volume is not to be had where the pod is."""
        return self.unmounted or (self.mounting is not None and now >= self.mounting + PATIENCE)

    def cannot_lodge(self, now: datetime) -> str:
        """Tell why an ordinary pod is to build in the place of this one of a base image; "" if none is."""
        if not self.base:
            return ""
        match self.outcome:
            case Failed(failure, exit_code=code) if code in _NOT_HERE or self.unstartable:
                return failure.message
            case Waiting(problem=problem) if self.unstartable:
                return problem
            case Waiting() if self.lodges_until is not None and now >= self.lodges_until:
                return f"the node did not start it within {LODGING_PATIENCE.seconds} s"
        return ""

    @property
    def lodges_until(self) -> datetime | None:
        """When its node will have taken too long to start a base image's container, if it is to."""
        waits = isinstance(self.outcome, Waiting) and not self.outcome.gates
        return self.accepted + LODGING_PATIENCE if self.base and self.accepted and waits else None

    @property
    def pulling(self) -> float | None:
        """How many seconds its node took to have the executor's image, if that is known: whole ones."""
        if self.prepared is None or self.began is None:
            return None
        return max(0.0, (self.began - self.prepared).total_seconds())

    @property
    def finished(self) -> datetime | None:
        """When the executor ended, if it has."""
        return self.outcome.finished if isinstance(self.outcome, Built | Failed) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnedConfigMap:
    """A ConfigMap with inputs of the build that `run` names."""

    uid: str
    name: str
    run: str


def parse_pod(resource: Mapping[str, Any], build: ImageBuild) -> Pod | None:
    """Read a pod as the API server gives it; `None` if it is not one that was made for this ImageBuild.

    Names cannot be changed, so they tell the run and the attempt; labels and annotations can.
    """
    metadata = resource["metadata"]
    known, named = known_of(resource, build), parse_pod_name(build.key.name, metadata["name"])
    if known is None or named is None:
        return None
    run, attempt, part = named
    outcome = outcome_of(resource)
    annotations = metadata.get("annotations") or {}
    accepted = (resource.get("status") or {}).get("startTime")
    mounting = runtime.mounting_since(resource)
    pairs = (it.partition("=") for it in _given(resource, "annotation"))
    return Pod(
        **known,
        run=run,
        attempt=attempt,
        part=part,
        retries=_number(annotations.get(ANNOTATION_RETRIES)),
        generation=_number(annotations.get(ANNOTATION_GENERATION)),
        accepted=parse_time(accepted) if accepted else None,
        over=is_over(resource),
        outcome=outcome,
        node=(resource.get("spec") or {}).get("nodeName") or "",
        node_selector=node_selector(resource),
        base=base_of(resource),
        unstartable=is_unstartable(resource),
        unmounted=is_unmounted(resource),
        mounting=parse_time(mounting) if mounting else None,
        destinations=tuple(_given(resource, "destination")),
        annotations={name: value for name, _, value in pairs},
        mark=next(_given(resource, "inputs-hash"), ""),
        queued=QUEUE in (metadata.get("labels") or {})
        or (isinstance(outcome, Waiting) and bool(outcome.gates)),
        prepared=prepared(resource),
        began=began(resource),
        makings=Makings.parse(resource),
        why_deleted=why_deleted(resource),
    )


def known_of(resource: Mapping[str, Any], build: ImageBuild) -> Mapping[str, Any] | None:
    """Read the fields of a `KnownPod`; `None` if it was not made for this ImageBuild.

    Anybody may make a pod with a name of ours and this owner: it counts only if the status, which only the
    operator writes, says that we made it. One that we made and did not get to write down is found when it is
    made again.
    """
    standing = standing_of(resource, build)
    if standing is None or (standing is Standing.OURS and not is_known(resource, build)):
        return None
    metadata = resource["metadata"]
    deleted = metadata.get("deletionTimestamp")
    return {
        "uid": metadata["uid"],
        "name": metadata["name"],
        "standing": standing,
        "created": parse_time(metadata["creationTimestamp"]),
        "limit": (resource.get("spec") or {}).get("activeDeadlineSeconds"),
        "deleted": parse_time(deleted) if deleted else None,
        "version": metadata.get("resourceVersion", ""),
    }


def node_selector(resource: Mapping[str, Any]) -> Mapping[str, str]:
    """Tell which nodes a pod asks for, by their labels."""
    return (resource.get("spec") or {}).get("nodeSelector") or {}


def base_of(resource: Mapping[str, Any]) -> str:
    """Tell which base image the executor's container of a pod is; "" where it is none."""
    return next(_given(resource, "lodging"), "")


def _given(resource: Mapping[str, Any], flag: str) -> Iterator[str]:
    """Yield the values of a flag that the executor was given."""
    containers = (resource.get("spec") or {}).get("containers") or []
    arguments = (it for one in containers if one["name"] == CONTAINER for it in one.get("args") or ())
    return (it.removeprefix(f"--{flag}=") for it in arguments if it.startswith(f"--{flag}="))


def is_known(resource: Mapping[str, Any], build: ImageBuild) -> bool:
    """Whether a build's status says that its operator made a pod; one of a version before said nothing."""
    known = build.status.pod_uids
    if known is None:
        return build.status.observed_generation >= 0
    return resource["metadata"]["uid"] in known


def known_pods(
    before: Sequence[str] | None, observed: Iterable[KnownPod], made: Sequence[str]
) -> tuple[str, ...]:
    """Name the pods that we made, by UID: those known before, with new ones in the place of what is gone."""
    there = [pod.uid for pod in observed if pod.standing is Standing.OURS]
    if before is not None and not made:
        return tuple(before)
    return tuple(dict.fromkeys([*there, *made]))


def is_stuck(resource: Mapping[str, Any], build: ImageBuild) -> bool:
    """Whether a pod that we did not make has a name of ours and cannot be deleted for now."""
    metadata = resource["metadata"]
    return (
        _run_of_pod(build.key.name, metadata["name"]) is not None
        and "deletionTimestamp" in metadata
        and is_controlled_by(resource, build)
        and not is_known(resource, build)
    )


def parse_owned_config_map(resource: Mapping[str, Any], build: ImageBuild) -> OwnedConfigMap | None:
    """Read a ConfigMap's metadata; `None` if it is not ours, to use or to delete."""
    metadata = resource["metadata"]
    run = parse_config_map_name(build.key.name, metadata["name"])
    if run is None or standing_of(resource, build) not in (Standing.OURS, Standing.LEFT):
        return None
    return OwnedConfigMap(uid=metadata["uid"], name=metadata["name"], run=run)


def build_of(pod: Mapping[str, Any]) -> Key:
    """Tell the ImageBuild that a pod was made for, by its owner or, where that is gone, by its label."""
    owners = [owner["name"] for owner in pod.get("ownerReferences") or [] if owner["kind"] == KIND]
    return Key(pod["namespace"], [*owners, pod["labels"][LABEL_BUILD]][0])


def standing_of(resource: Mapping[str, Any], build: ImageBuild) -> Standing | None:
    """Tell whose a resource with a name of ours is; `None` if it is somebody else's."""
    if is_controlled_by(resource, build):
        return Standing.OURS
    metadata = resource["metadata"]
    owners = metadata.get("ownerReferences") or []
    if any(owner["kind"] == KIND and owner["name"] == build.key.name for owner in owners):
        return Standing.EARLIER
    made_by_us = (metadata.get("labels") or {}).items() >= _marks(build, metadata["name"]).items()
    return Standing.LEFT if made_by_us and not owners else None


def _marks(build: ImageBuild, name: str) -> dict[str, str]:
    """Give the labels that we put on what has a name of ours."""
    run = _run_of_pod(build.key.name, name) or parse_config_map_name(build.key.name, name)
    return {LABEL_MANAGER: MANAGER, LABEL_BUILD: label_value(build.key.name), LABEL_RUN: run or ""}


def _run_of_pod(build: str, name: str) -> str | None:
    attempt, errand = parse_pod_name(build, name), parse_errand_name(build, name)
    return attempt[0] if attempt else errand[1] if errand else None


def _number(text: Any) -> int:
    """Read a number that an annotation holds, or should: anybody who may change the pod may change it."""
    return (
        int(text)
        if isinstance(text, str) and text.isascii() and text.isdecimal() and len(text) <= _DIGITS
        else 0
    )
