"""The status of an ImageBuild: what the operator reports and, after a restart, remembers.

Plain values; pydantic reads and writes them at the edges alone, and takes the schema from their annotations.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from yadokari_api.conditions import REPORTED, Condition, Time
from yadokari_api.former import modernised
from yadokari_contract.progress import BuildPhase

Phase = Literal["Pending", "Building", "Retrying", "Succeeded", "Failed", "Suspended"]
FINISHED: frozenset[Phase] = frozenset({"Succeeded", "Failed"})

RunReason = Literal[
    "Created",
    "InputsChanged",
    "SourceChanged",
    "SpecChanged",
    "Requested",
    "Scheduled",
    "BaseImageChanged",
    "GitChanged",
]
"""Why a run began."""

UNCHANGED: frozenset[RunReason] = frozenset({"Scheduled", "BaseImageChanged", "GitChanged"})
"""Reasons for a run whose inputs are those of the one before."""

RunResult = Literal["Succeeded", "Failed", "Replaced"]
"""How a run ended: another one may have come in its place before it had."""

LONGEST_HISTORY = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformOutput:
    """The image of a platform."""

    __pydantic_config__ = REPORTED

    platform: Annotated[str, Field(description="Platform, as the spec writes it.")]
    digest: Annotated[str, Field(description="Digest of its manifest.")]
    size: Annotated[int | None, Field(description="Bytes of its compressed layers.")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """The image that was pushed."""

    __pydantic_config__ = REPORTED

    image: Annotated[str, Field(description="Reference that the image was pushed to first.")]
    digest: Annotated[str, Field(description="Digest of its manifest, or of the index of several platforms.")]
    ref: Annotated[str, Field(description="The image by its digest, such as registry.test/app@sha256:...")]
    size: Annotated[int | None, Field(description="Bytes of its compressed layers.")] = None
    tags: Annotated[tuple[str, ...], Field(description="All references that it was pushed to.")] = ()
    platforms: Annotated[
        tuple[PlatformOutput, ...], Field(description="The images of an index of several platforms.")
    ] = ()

    @classmethod
    def at(
        cls,
        images: Sequence[str],
        digest: str,
        size: int | None = None,
        platforms: tuple[PlatformOutput, ...] = (),
    ) -> "Output":
        """Tell of an image that was pushed to these references, or of an index with one for each platform."""
        repository = re.sub(r":[^:/]*$", "", images[0])
        return cls(
            image=images[0],
            digest=digest,
            ref=f"{repository}@{digest}",
            size=size,
            tags=tuple(images),
            platforms=platforms,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What the build context's location was resolved to."""

    __pydantic_config__ = REPORTED

    commit: Annotated[str | None, Field(description="Commit of a git repository.")] = None
    digest: Annotated[str | None, Field(description="Digest or ETag of an archive or an artifact.")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleStatus:
    """How far a schedule has come."""

    __pydantic_config__ = REPORTED

    text: Annotated[str, Field(description="The schedule that this is about, with its time zone.")]
    since: Annotated[Time, Field(description="When it was first seen: nothing was due before.")]
    next: Annotated[Time | None, Field(description="When the next build is due.")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What came of asking whether something has moved that the image is made of."""

    __pydantic_config__ = REPORTED

    name: Annotated[str, Field(description="Reference of a base image, or a repository and its ref.")]
    time: Annotated[Time, Field(description="When it was asked last.")]
    resolved: Annotated[str | None, Field(description="What it stood for: a digest or a commit.")] = None
    failures: Annotated[
        int | None, Field(description="How many times in a row there was no answer; absent where there was.")
    ] = None
    message: Annotated[str | None, Field(description="Why there was no answer.")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactStatus:
    """An artifact of Flux."""

    __pydantic_config__ = REPORTED

    revision: Annotated[str, Field(description="What it was made of, such as main@sha1:....")]
    digest: Annotated[str, Field(description="Digest of the archive.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """An image that the build began with or took files from."""

    __pydantic_config__ = REPORTED

    reference: Annotated[str, Field(description="Its name in the Dockerfile.")]
    digest: Annotated[
        str, Field(description="What a registry gave for the name: of an index its own digest.")
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lodging:
    """A base image in whose own container the build can begin, so that it need not be unpacked."""

    __pydantic_config__ = REPORTED

    image: Annotated[str, Field(description="The base image, by the digest of its manifest or of an index.")]
    platform: Annotated[str | None, Field(description="For which of several platforms that is.")] = None
    stage: Annotated[str | None, Field(description="Stage that the last run built in it.")] = None
    reason: Annotated[str | None, Field(description="Why that run, which was to, did not; for machines.")] = (
        None
    )
    message: Annotated[str | None, Field(description="The same for people.")] = None
    unusable: Annotated[
        bool | None, Field(description="Whether ordinary pods build until there is another base.")
    ] = None
    pulled: Annotated[
        float | None,
        Field(description="Seconds that nodes took to have it, of late: older times count less."),
    ] = None
    unpacked: Annotated[
        float | None,
        Field(description="Seconds that it took to download and unpack it, the last time that was done."),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """How many steps of the Dockerfile are done. Of those that change files `cached` came from the cache.

    Of several platforms these are the steps of all whose executors have ended.
    """

    __pydantic_config__ = REPORTED

    current: Annotated[int, Field(description="Steps that are done.")]
    total: Annotated[int, Field(description="Steps in all.")]
    cached: Annotated[int | None, Field(description="Steps that were taken from the cache.")] = None
    performed: Annotated[
        int | None, Field(description="Steps that were not, and changed files: none where all was cached.")
    ] = None
    missed: Annotated[int | None, Field(description="Of these, steps that were looked for in the cache.")] = (
        None
    )
    misses: Annotated[
        tuple[str, ...] | None,
        Field(
            description="Which these are, and why they were not there, as far as that is known: at most 32,"
            " and none that missed only because one before it did."
        ),
    ] = None
    saved_seconds: Annotated[
        float | None, Field(description="How long the steps that were cached took when they were performed.")
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformRun:
    """How far one of several platforms has come in a run."""

    __pydantic_config__ = REPORTED

    platform: Annotated[str, Field(description="Platform, as the spec writes it.")]
    pod: Annotated[str | None, Field(description="Pod of the latest attempt.")] = None
    node: Annotated[str | None, Field(description="Node of that pod.")] = None
    attempt: Annotated[int, Field(description="Number of the latest attempt; 0 before the first one.")] = 0
    retries: Annotated[int, Field(description="Attempts after failures of network or registry.")] = 0
    digest: Annotated[str | None, Field(description="Digest of its image, when that is pushed.")] = None
    size: Annotated[int | None, Field(description="Bytes of that image's compressed layers.")] = None
    steps: Annotated[
        Steps | None, Field(description="Steps of the latest attempt whose executor has ended.")
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStatus:
    """The latest run: one build of one set of inputs, in one attempt or several."""

    __pydantic_config__ = REPORTED

    number: Annotated[int, Field(description="Number of this run; 0 before the first one.")] = 0
    reason: Annotated[
        RunReason | None,
        Field(
            description="Why it began: Created, InputsChanged, SourceChanged (another artifact of Flux),"
            " SpecChanged (after a failure), Requested, Scheduled, BaseImageChanged, GitChanged."
        ),
    ] = None
    cause: Annotated[
        str | None, Field(description="What that was: the time, or what moved from where to where.")
    ] = None
    pod: Annotated[str | None, Field(description="Pod of the latest attempt.")] = None
    node: Annotated[str | None, Field(description="Node of that pod.")] = None
    attempt: Annotated[int, Field(description="Number of the latest attempt; 0 before the first one.")] = 0
    retries: Annotated[int, Field(description="Attempts after failures of network or registry.")] = 0
    platforms: Annotated[
        tuple[PlatformRun, ...], Field(description="Each platform, where there are several.")
    ] = ()
    queued_at: Annotated[Time | None, Field(description="When it was asked for.")] = None
    started_at: Annotated[Time | None, Field(description="When its first attempt began.")] = None
    finished_at: Annotated[Time | None, Field(description="When it succeeded or failed.")] = None
    duration: Annotated[str | None, Field(description="Time from start to end, such as 1m23s.")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedPhase:
    """A part of the build and how long it took."""

    __pydantic_config__ = REPORTED

    name: Annotated[str, Field(description="What was done.")]
    seconds: Annotated[float, Field(description="How long it took.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveProgress:
    """How far the attempt that runs has come, by its log, which steps can write to as well.

    Of several platforms this is the one with most left to do.
    """

    __pydantic_config__ = REPORTED

    phase: Annotated[BuildPhase, Field(description="Pulling a base image, Building, or Pushing.")]
    platform: Annotated[
        str | None, Field(description="Which of several platforms this is: the one with most left to do.")
    ] = None
    step: Annotated[int | None, Field(description="Number of the step under way, counted from 1.")] = None
    steps: Annotated[int | None, Field(description="Steps in all.")] = None
    text: Annotated[str, Field(description="Beginning of the step's instruction, or where to is pushed.")]
    summary: Annotated[str, Field(description="All of it in some words.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildFailure:
    """Why a build failed."""

    __pydantic_config__ = REPORTED

    reason: Annotated[str, Field(description="Kind of failure, for machines.")]
    message: Annotated[str, Field(description="What went wrong, for people.")]
    exit_code: Annotated[int | None, Field(description="Exit code of the executor.")] = None
    stage: Annotated[
        str | None, Field(description="Stage that was built, by its name or its number, counted from 0.")
    ] = None
    line: Annotated[int | None, Field(description="Line of the Dockerfile, counted from 1.")] = None
    log_tail: Annotated[str | None, Field(description="End of the failed step's output.")] = None
    retryable: Annotated[
        bool | None, Field(description="Whether the same may succeed when it is tried again.")
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LastSucceeded:
    """The latest build that succeeded; it stays while others fail."""

    __pydantic_config__ = REPORTED

    digest: Annotated[str, Field(description="Digest of the image's manifest.")]
    time: Annotated[Time, Field(description="When the build ended.")]
    inputs_hash: Annotated[str, Field(description="Hash over all that defines the image.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class PastRun:
    """A run that has ended."""

    __pydantic_config__ = REPORTED

    number: Annotated[int, Field(description="Number of the run.")]
    reason: Annotated[RunReason | None, Field(description="Why it began.")] = None
    cause: Annotated[str | None, Field(description="What that was.")] = None
    result: Annotated[
        RunResult, Field(description="Succeeded, Failed, or Replaced by the next one before its end.")
    ]
    failure: Annotated[str | None, Field(description="Reason of the failure.")] = None
    digest: Annotated[str | None, Field(description="Digest of the image's manifest.")] = None
    inputs_hash: Annotated[str, Field(description="Hash over all that defines the image.")]
    started_at: Annotated[Time | None, Field(description="When its first attempt began.")] = None
    finished_at: Annotated[Time | None, Field(description="When it ended.")] = None
    duration: Annotated[str | None, Field(description="Time from start to end.")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What came of a build so far."""

    __pydantic_config__ = REPORTED

    observed_generation: Annotated[
        int, Field(description="Generation of the spec that this status is about; -1 before the first look.")
    ] = -1
    phase: Annotated[
        Phase, Field(description="Pending, Building, Retrying, Succeeded, Failed or Suspended.")
    ] = "Pending"
    message: Annotated[str, Field(description="What is going on or went wrong, in a sentence.")] = ""
    inputs_hash: Annotated[str, Field(description="Hash over all that defines the image, of this build.")] = (
        ""
    )
    rebuild_requested_at: Annotated[
        str, Field(description="Value of the annotation yadokari.dev/rebuild-requested-at that was followed.")
    ] = ""
    refused_hash: Annotated[
        str,
        Field(description="Hash of inputs that came while a build ran, and that concurrencyPolicy forbids."),
    ] = ""
    output: Annotated[
        Output | None, Field(description="The image; absent while a build runs and after a failure.")
    ] = None
    last_succeeded: Annotated[
        LastSucceeded | None, Field(description="The latest build that succeeded; failures leave it alone.")
    ] = None
    source: Annotated[Source | None, Field(description="What the build context was resolved to.")] = None
    bases: Annotated[
        tuple[Base, ...],
        Field(description="Images that the build began with or took files from; at most 32 of them."),
    ] = ()
    lodging: Annotated[
        tuple[Lodging, ...],
        Field(description="Base images in whose own containers the build can begin: one for each platform."),
    ] = ()
    run: Annotated[RunStatus, Field(description="The latest run.")] = field(default_factory=RunStatus)
    schedule: Annotated[ScheduleStatus | None, Field(description="How far rebuild.schedule has come.")] = None
    asked: Annotated[
        tuple[Asked, ...],
        Field(description="What came of asking whether base images or the context's ref have moved."),
    ] = ()
    artifact: Annotated[
        ArtifactStatus | None, Field(description="The artifact of context.fluxSource that this is about.")
    ] = None
    phases: Annotated[tuple[TimedPhase, ...], Field(description="Parts of the build, in seconds.")] = ()
    steps: Annotated[
        Steps | None, Field(description="Steps of the Dockerfile, of several platforms those of all.")
    ] = None
    progress: Annotated[
        LiveProgress | None, Field(description="How far the build has come; absent while none runs.")
    ] = None
    failure: Annotated[BuildFailure | None, Field(description="Why the latest attempt failed.")] = None
    history: Annotated[
        tuple[PastRun, ...], Field(description="Runs that have ended, the latest one first.")
    ] = ()
    pod_uids: Annotated[
        tuple[str, ...] | None,
        Field(
            description="UIDs of the pods that the operator made and that may be there yet: no others count."
        ),
    ] = None
    notified: Annotated[
        str | None, Field(description="How far the operator's sink was told of a run, as RUN/KIND.")
    ] = None
    conditions: Annotated[
        tuple[Condition, ...],
        Field(
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
            description="Ready, Reconciling, Stalled and Succeeded, as kstatus reads them.",
        ),
    ] = ()

    @property
    def finished(self) -> bool:
        """Whether the build has succeeded or failed for good."""
        return self.phase in FINISHED

    @property
    def reason(self) -> str:
        """Why it is as it is, for machines; empty before the first look."""
        return self.conditions[0].reason if self.conditions else ""


_STATUS = TypeAdapter(Status)


def parse_status(data: Mapping[str, Any] | None) -> Status:
    """Read a status; one that is not as an operator writes it counts as none, and the build starts over."""
    try:
        return _STATUS.validate_python(modernised(data or {}))
    except ValidationError:
        return Status()


def format_status(status: Status) -> dict[str, Any]:
    """Write a status as the API server takes it."""
    written: dict[str, Any] = _STATUS.dump_python(status, mode="json", by_alias=True, exclude_none=True)
    empty = [
        name for name in ("tags", "bases", "lodging", "phases", "history", "asked") if not written.get(name)
    ]
    for part in ("run", "output"):
        if part in written and not written[part]["platforms"]:
            del written[part]["platforms"]
    if status.run == RunStatus():
        empty.append("run")
    return {name: value for name, value in written.items() if name not in empty}


def status_schema() -> dict[str, Any]:
    """Give the JSON schema of a status."""
    return _STATUS.json_schema(by_alias=True)
