"""On which nodes an executor may run: fields of a pod, with the names and meanings that they have there."""

from typing import Annotated, Literal

from pydantic import Field

from yadokari_api.fields import LABEL_KEY, LABEL_VALUE, ResourceName
from yadokari_api.model import Model, keys_match
from yadokari_api.rules import Rule, matches

LabelKey = Annotated[
    str,
    Field(max_length=317),
    matches(LABEL_KEY, "a label's key must be [DOMAIN/]NAME, such as kubernetes.io/arch"),
]
LabelValue = Annotated[
    str,
    Field(max_length=63),
    matches(
        LABEL_VALUE,
        "a label's value must be letters, digits, -, _ and ., with a letter or digit at both ends",
    ),
]
Labels = Annotated[
    dict[str, LabelValue],
    Field(max_length=32),
    keys_match(LABEL_KEY, "a label's key must be [DOMAIN/]NAME, such as kubernetes.io/arch"),
]
_Weight = Annotated[int, Field(ge=1, le=100)]


class Toleration(Model):
    """A taint of nodes that the executor's pod tolerates, as in a pod."""

    RULES = (
        Rule(
            "has(self.key) || (has(self.operator) && self.operator == 'Exists')",
            "a toleration without key must have the operator Exists",
            lambda it: it.key is not None or it.operator == "Exists",
        ),
        Rule(
            "!has(self.value) || self.value == '' || !has(self.operator) || self.operator != 'Exists'",
            "a toleration with the operator Exists must have no value",
            lambda it: not it.value or it.operator != "Exists",
        ),
        Rule(
            "!has(self.tolerationSeconds) || (has(self.effect) && self.effect == 'NoExecute')",
            "a toleration with tolerationSeconds must have the effect NoExecute",
            lambda it: it.toleration_seconds is None or it.effect == "NoExecute",
        ),
    )

    key: str | None = Field(default=None, max_length=317, description="Taint to tolerate; all if absent.")
    operator: Literal["Exists", "Equal"] | None = Field(
        default=None, description="How value is compared; Equal where it is absent."
    )
    value: str | None = Field(default=None, max_length=63, description="Value of the taint.")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = Field(
        default=None, description="Effect of the taint; every one where it is absent."
    )
    toleration_seconds: int | None = Field(
        default=None, description="How long a NoExecute taint is tolerated; for ever where it is absent."
    )


def _values_suit(with_one: str) -> tuple[Rule, ...]:
    """Demand values of a requirement where its operator compares with some."""
    one = tuple(filter(None, with_one.split()))
    return (
        Rule(
            "self.operator in ['Exists', 'DoesNotExist'] ? !has(self.values) || self.values.size() == 0"
            " : has(self.values) && self.values.size() > 0",
            "In and NotIn must have values, Exists and DoesNotExist none",
            lambda it: bool(it.values) != (it.operator in ("Exists", "DoesNotExist")),
        ),
        *(
            [
                Rule(
                    "!(self.operator in ['Gt', 'Lt']) || (has(self.values) && self.values.size() == 1)",
                    "Gt and Lt must have one value, a number",
                    lambda it: it.operator not in one or len(it.values) == 1,
                )
            ]
            if one
            else []
        ),
    )


_Values = Annotated[tuple[Annotated[str, Field(max_length=253)], ...], Field(max_length=64)]


class NodeRequirement(Model):
    """What a node's label or field must be."""

    RULES = _values_suit("Gt Lt")

    key: LabelKey = Field(description="Label, or field such as metadata.name.")
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"] = Field(
        description="How it is compared."
    )
    values: _Values = Field(default=(), strict=False, description="What it is compared with.")


_NodeRequirements = Annotated[tuple[NodeRequirement, ...], Field(max_length=16)]


class NodeTerm(Model):
    """What a node must be like: all of it."""

    match_expressions: _NodeRequirements = Field(default=(), strict=False, description="By its labels.")
    match_fields: _NodeRequirements = Field(default=(), strict=False, description="By its fields.")


class NodeTerms(Model):
    """What nodes must be like: one of the terms."""

    node_selector_terms: Annotated[tuple[NodeTerm, ...], Field(min_length=1, max_length=16)] = Field(
        strict=False, description="Of which one must hold."
    )


class PreferredNode(Model):
    """What nodes had better be like."""

    weight: _Weight = Field(description="How much it counts.")
    preference: NodeTerm = Field(description="What the node is like.")


class NodeAffinity(Model):
    """What nodes must and had better be like."""

    required_during_scheduling_ignored_during_execution: NodeTerms | None = Field(
        default=None, description="What nodes must be like."
    )
    preferred_during_scheduling_ignored_during_execution: Annotated[
        tuple[PreferredNode, ...], Field(max_length=16)
    ] = Field(default=(), strict=False, description="What nodes had better be like.")


class LabelRequirement(Model):
    """What a pod's label must be."""

    RULES = _values_suit("")

    key: LabelKey = Field(description="Label.")
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"] = Field(description="How it is compared.")
    values: _Values = Field(default=(), strict=False, description="What it is compared with.")


class LabelSelector(Model):
    """Pods, by their labels; all of them where nothing is said."""

    match_labels: Labels = Field(default={}, description="Labels that they have.")
    match_expressions: Annotated[tuple[LabelRequirement, ...], Field(max_length=16)] = Field(
        default=(), strict=False, description="What their labels are like."
    )


class PodTerm(Model):
    """Where other pods are, or are not."""

    label_selector: LabelSelector | None = Field(default=None, description="Which pods; none where absent.")
    topology_key: LabelKey = Field(description="Label of nodes that tells one place from another.")
    namespaces: Annotated[tuple[ResourceName, ...], Field(max_length=16)] = Field(
        default=(), strict=False, description="Of which namespaces; of the ImageBuild's own where absent."
    )


class PreferredPods(Model):
    """Where other pods had better be, or not be."""

    weight: _Weight = Field(description="How much it counts.")
    pod_affinity_term: PodTerm = Field(description="Where they are.")


class PodAffinity(Model):
    """Beside which pods an executor must and had better be, or must not and had better not."""

    required_during_scheduling_ignored_during_execution: Annotated[
        tuple[PodTerm, ...], Field(max_length=16)
    ] = Field(default=(), strict=False, description="What must hold.")
    preferred_during_scheduling_ignored_during_execution: Annotated[
        tuple[PreferredPods, ...], Field(max_length=16)
    ] = Field(default=(), strict=False, description="What had better hold.")


class Affinity(Model):
    """Where an executor must and had better run, as in a pod."""

    node_affinity: NodeAffinity | None = Field(default=None, description="On which nodes.")
    pod_affinity: PodAffinity | None = Field(default=None, description="Beside which pods.")
    pod_anti_affinity: PodAffinity | None = Field(default=None, description="Not beside which pods.")


class SpreadConstraint(Model):
    """How executors are spread over places, as in a pod."""

    max_skew: Annotated[int, Field(ge=1, le=1000)] = Field(
        description="How many more pods one place may have than another."
    )
    topology_key: LabelKey = Field(description="Label of nodes that tells one place from another.")
    when_unsatisfiable: Literal["DoNotSchedule", "ScheduleAnyway"] = Field(
        description="What follows where it cannot be."
    )
    label_selector: LabelSelector | None = Field(default=None, description="Which pods are counted.")
