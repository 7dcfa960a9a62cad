"""The status of an ImageBuild: what the operator reports and, after a restart, remembers."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from yadokari_operator.conditions import Condition, Time

Phase = Literal["Pending", "Building", "Retrying", "Succeeded", "Failed"]
FINISHED: frozenset[Phase] = frozenset({"Succeeded", "Failed"})


class _Model(BaseModel):
    # A status written by a newer operator may hold fields that this one does not know.
    model_config = ConfigDict(alias_generator=to_camel, extra="ignore", frozen=True, validate_by_name=True)


class BuildFailure(_Model):
    """Why a build failed."""

    reason: str = Field(description="Kind of failure, for machines.")
    message: str = Field(description="What went wrong, for people.")
    line: int | None = Field(default=None, description="Line of the Dockerfile, counted from 1.")
    log_tail: str | None = Field(default=None, description="End of the failed step's output.")


class Status(_Model):
    """What came of a build so far."""

    observed_generation: int = Field(
        default=-1, description="Generation of the spec that this status is about; -1 before the first look."
    )
    phase: Phase = Field(default="Pending", description="Pending, Building, Retrying, Succeeded or Failed.")
    message: str = Field(default="", description="What is going on or went wrong, in a sentence.")
    image: str | None = Field(default=None, description="Reference that the image was pushed to first.")
    digest: str | None = Field(default=None, description="Digest of the pushed image's manifest.")
    start_time: Time | None = Field(default=None, description="When the first attempt of this build began.")
    completion_time: Time | None = Field(default=None, description="When the build succeeded or failed.")
    duration: str | None = Field(default=None, description="Time from start to completion, such as 1m23s.")
    pod_name: str | None = Field(default=None, description="Pod of the latest attempt.")
    attempt: int = Field(default=0, description="Number of the latest attempt; 0 before the first one.")
    retries: int = Field(default=0, description="Attempts after failures of network or registry.")
    inputs_hash: str = Field(default="", description="Hash over all that defines the image, of this build.")
    failure: BuildFailure | None = Field(default=None, description="Why the latest attempt failed.")
    conditions: tuple[Condition, ...] = Field(
        default=(),
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
        description="Ready, Reconciling, Stalled and Succeeded, as kstatus reads them.",
    )

    @property
    def finished(self) -> bool:
        """Whether the build has succeeded or failed for good."""
        return self.phase in FINISHED


def parse_status(data: Mapping[str, Any] | None) -> Status:
    """Read a status; one that is not as this operator writes it counts as none, and the build starts over."""
    try:
        return Status.model_validate(data or {})
    except ValidationError:
        return Status()


def format_status(status: Status) -> dict[str, Any]:
    """Write a status as the API server takes it."""
    return status.model_dump(mode="json", by_alias=True, exclude_none=True)
