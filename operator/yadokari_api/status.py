"""The status of an ImageBuild: what the operator reports and, after a restart, remembers.

Plain values; pydantic reads and writes them at the edges alone, and takes the schema from their annotations.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from yadokari_api.conditions import REPORTED, Condition, Time

Phase = Literal["Pending", "Building", "Retrying", "Succeeded", "Failed"]
FINISHED: frozenset[Phase] = frozenset({"Succeeded", "Failed"})


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildFailure:
    """Why a build failed."""

    __pydantic_config__ = REPORTED

    reason: Annotated[str, Field(description="Kind of failure, for machines.")]
    message: Annotated[str, Field(description="What went wrong, for people.")]
    line: Annotated[int | None, Field(description="Line of the Dockerfile, counted from 1.")] = None
    log_tail: Annotated[str | None, Field(description="End of the failed step's output.")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LastSucceeded:
    """The latest build that succeeded; it stays while others fail."""

    __pydantic_config__ = REPORTED

    digest: Annotated[str, Field(description="Digest of the image's manifest.")]
    time: Annotated[Time, Field(description="When the build ended.")]
    inputs_hash: Annotated[str, Field(description="Hash over all that defines the image.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What came of a build so far."""

    __pydantic_config__ = REPORTED

    observed_generation: Annotated[
        int, Field(description="Generation of the spec that this status is about; -1 before the first look.")
    ] = -1
    phase: Annotated[Phase, Field(description="Pending, Building, Retrying, Succeeded or Failed.")] = (
        "Pending"
    )
    message: Annotated[str, Field(description="What is going on or went wrong, in a sentence.")] = ""
    image: Annotated[str | None, Field(description="Reference that the image was pushed to first.")] = None
    digest: Annotated[str | None, Field(description="Digest of the pushed image's manifest.")] = None
    start_time: Annotated[Time | None, Field(description="When this build's first attempt began.")] = None
    completion_time: Annotated[Time | None, Field(description="When the build succeeded or failed.")] = None
    duration: Annotated[str | None, Field(description="Time from start to completion, such as 1m23s.")] = None
    pod_name: Annotated[str | None, Field(description="Pod of the latest attempt.")] = None
    attempt: Annotated[int, Field(description="Number of the latest attempt; 0 before the first one.")] = 0
    retries: Annotated[int, Field(description="Attempts after failures of network or registry.")] = 0
    inputs_hash: Annotated[str, Field(description="Hash over all that defines the image, of this build.")] = (
        ""
    )
    rebuild_requested_at: Annotated[
        str, Field(description="Value of the annotation yadokari.dev/rebuild-requested-at that was followed.")
    ] = ""
    last_succeeded: Annotated[
        LastSucceeded | None, Field(description="The latest build that succeeded; failures leave it alone.")
    ] = None
    failure: Annotated[BuildFailure | None, Field(description="Why the latest attempt failed.")] = None
    pod_uids: Annotated[
        tuple[str, ...] | None,
        Field(
            description="UIDs of the pods that the operator made and that may be there yet: no others count."
        ),
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


_STATUS = TypeAdapter(Status)


def parse_status(data: Mapping[str, Any] | None) -> Status:
    """Read a status; one that is not as this operator writes it counts as none, and the build starts over."""
    try:
        return _STATUS.validate_python(data or {})
    except ValidationError:
        return Status()


def format_status(status: Status) -> dict[str, Any]:
    """Write a status as the API server takes it."""
    written: dict[str, Any] = _STATUS.dump_python(status, mode="json", by_alias=True, exclude_none=True)
    return written


def status_schema() -> dict[str, Any]:
    """Give the JSON schema of a status."""
    return _STATUS.json_schema(by_alias=True)
