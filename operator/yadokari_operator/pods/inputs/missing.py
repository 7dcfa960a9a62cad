"""Why what a build is made of is not known."""

from dataclasses import dataclass

from yadokari_api.reasons import StateReason


@dataclass(frozen=True, slots=True)
class Missing:
    """Why the inputs cannot be known yet, or, with `InvalidSpec`, cannot be."""

    reason: StateReason
    message: str
