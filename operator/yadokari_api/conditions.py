"""Conditions of a resource, as kstatus and `kubectl wait` read them.

Ready and Succeeded are good when True; Reconciling (work goes on) and Stalled (no progress without a change
of the spec) are the exception when True. All four are always there. DestinationShared is there while it is
True.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

ConditionType = Literal["Ready", "Reconciling", "Stalled", "Succeeded", "DestinationShared"]
Truth = Literal["True", "False", "Unknown"]

_FIRST_YEAR, _LAST_YEAR = 1970, 2999


def _checked_time(text: str) -> str:
    """See that a text is a time with which can be reckoned: the server takes any year."""
    time = datetime.fromisoformat(text)
    if time.tzinfo is None or not _FIRST_YEAR <= time.year <= _LAST_YEAR:
        raise ValueError(f"{text} is no time of a build")
    return text


Time = Annotated[str, AfterValidator(_checked_time), Field(json_schema_extra={"format": "date-time"})]

REPORTED = ConfigDict(alias_generator=to_camel, extra="ignore")
"""How what the operator reports is read and written: what a newer operator added is left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One aspect of a resource's state."""

    __pydantic_config__ = REPORTED

    type: Annotated[str, Field(description="Ready, Reconciling, Stalled, Succeeded or DestinationShared.")]
    status: Annotated[Truth, Field(description="True, False or Unknown.")]
    reason: Annotated[str, Field(description="Why, for machines.")]
    message: Annotated[str, Field(description="Why, for people.")]
    observed_generation: Annotated[int, Field(description="Generation of the spec that this was seen with.")]
    last_transition_time: Annotated[Time, Field(description="When status last changed.")]


def carried_over(new: Sequence[Condition], old: Sequence[Condition]) -> tuple[Condition, ...]:
    """Give each new condition the old one's transition time where its status has not changed."""
    before = {condition.type: condition for condition in old}
    return tuple(_with_time_of(before.get(condition.type), condition) for condition in new)


def _with_time_of(old: Condition | None, new: Condition) -> Condition:
    if old is None or old.status != new.status:
        return new
    return replace(new, last_transition_time=old.last_transition_time)
