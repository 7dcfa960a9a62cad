"""Conditions of a resource, as kstatus and `kubectl wait` read them.

Ready and Succeeded are good when True; Reconciling (work goes on) and Stalled (no progress without a change
of the spec) are the exception when True. All four are always there.
"""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

ConditionType = Literal["Ready", "Reconciling", "Stalled", "Succeeded"]
Truth = Literal["True", "False", "Unknown"]
Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]


class Condition(BaseModel):
    """One aspect of a resource's state."""

    model_config = ConfigDict(alias_generator=to_camel, extra="ignore", frozen=True, validate_by_name=True)

    type: str = Field(description="Ready, Reconciling, Stalled or Succeeded.")
    status: Truth = Field(description="True, False or Unknown.")
    reason: str = Field(description="Why, for machines.")
    message: str = Field(description="Why, for people.")
    observed_generation: int = Field(description="Generation of the spec that this was seen with.")
    last_transition_time: Time = Field(description="When status last changed.")


def carried_over(new: Sequence[Condition], old: Sequence[Condition]) -> tuple[Condition, ...]:
    """Give each new condition the old one's transition time where its status has not changed."""
    before = {condition.type: condition for condition in old}
    return tuple(_with_time_of(before.get(condition.type), condition) for condition in new)


def _with_time_of(old: Condition | None, new: Condition) -> Condition:
    if old is None or old.status != new.status:
        return new
    return new.model_copy(update={"last_transition_time": old.last_transition_time})
