"""The spec of an ImageBuild: its fields, their bounds and their rules.

The CRD is generated from these classes (crd.py); a docstring or description here is what `kubectl explain`
shows. No field of a list's items has a default: `kubectl apply` would find a difference each time.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, model_validator
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from yadokari_api.fields import (
    BUILD_ARG_NAME,
    LABEL_KEY,
    LABEL_VALUE,
    SPAN,
    BuildArgValue,
    ConfigMapKey,
    Duration,
    ImageReference,
    Quantity,
    ResourceName,
    TaggedReference,
    amount,
    seconds,
    spelled_out,
)
from yadokari_api.rules import Rule, quoted

DEFAULT_TIMEOUT = "1h"
DOCKERFILE_BYTES = 256 * 1024
LONGEST_HISTORY = 20


class Model(BaseModel):
    """Base of all parts of a spec: camelCase names, no unknown fields, never changed once made."""

    model_config = ConfigDict(
        alias_generator=to_camel, extra="forbid", frozen=True, strict=True, validate_by_name=True
    )

    RULES: ClassVar[tuple[Rule, ...]] = ()

    @model_validator(mode="after")
    def _check_rules(self) -> Self:
        for rule in self.RULES:
            rule.check(self)
        return self

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Have the API server check the rules, too."""
        made = handler.resolve_ref_schema(handler(schema))
        for rule in cls.RULES:
            made.update(rule.added_to(made))
        return made


def _unique_by(key: str) -> dict[str, Any]:
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key]}


def _keys_match(pattern: str, message: str) -> Rule:
    """Demand that all keys of a map match a pattern; the API server knows no schema for them."""
    return Rule(
        f"self.all(key, key.matches({quoted(f'^({pattern})$')}))",
        message,
        lambda value: all(re.fullmatch(pattern, key, re.ASCII) for key in value),
    )


class SecretReference(Model):
    """A Secret of type kubernetes.io/dockerconfigjson in the namespace of the ImageBuild."""

    name: ResourceName = Field(description="Name of the Secret.")


class Destination(Model):
    """A place that the image is pushed to."""

    image: TaggedReference = Field(
        description="Reference to push to, such as registry.example.com/team/app:1.2. The tag is latest"
        " where none is given.",
    )
    insecure: bool | None = Field(
        default=None,
        description="Reach this registry over plain HTTP if it does not speak TLS, which is tried first;"
        " false where it is absent.",
    )
    push_secret_ref: SecretReference | None = Field(
        default=None,
        description="Secret of type kubernetes.io/dockerconfigjson with the right to push here; it is used"
        " for nothing else.",
    )


class ConfigMapKeyReference(Model):
    """A key of a ConfigMap in the namespace of the ImageBuild."""

    name: ResourceName = Field(description="Name of the ConfigMap.")
    key: ConfigMapKey = Field(default="Dockerfile", description="Key that holds the Dockerfile.")


class DockerfileSource(Model):
    """Where the Dockerfile comes from."""

    config_map_key_ref: ConfigMapKeyReference = Field(description="A key of a ConfigMap.")


class ConfigMapReference(Model):
    """A ConfigMap in the namespace of the ImageBuild."""

    name: ResourceName = Field(description="Name of the ConfigMap.")


class Context(Model):
    """The files that COPY and ADD find."""

    config_map: ConfigMapReference = Field(
        description="ConfigMap whose keys are the files of the build context."
    )


_STANDARD_RESOURCES = r"cpu|memory|ephemeral-storage|hugepages-[0-9]+[KMG]i"
_Quantities = Annotated[
    dict[str, Quantity],
    Field(max_length=16),
    _keys_match(
        rf"{_STANDARD_RESOURCES}|[-.a-z0-9]{{1,253}}/[-._a-zA-Z0-9]{{1,63}}",
        "a resource must be cpu, memory, ephemeral-storage, hugepages-SIZE or one with a domain, such as"
        " example.com/gpu",
    ),
]


class Resources(Model):
    """Compute resources of the executor, as in a pod."""

    RULES = (
        Rule(
            "!has(self.requests) || !has(self.limits) || self.requests.all(name, !(name in self.limits)"
            " || !isQuantity(string(self.requests[name])) || !isQuantity(string(self.limits[name]))"
            " || quantity(string(self.requests[name])).compareTo(quantity(string(self.limits[name]))) <= 0)",
            "requests must not be above limits",
            lambda it: all(
                amount(asked) <= amount(it.limits[name])
                for name, asked in it.requests.items()
                if name in it.limits
            ),
        ),
    )

    requests: _Quantities = Field(
        default={}, description="What is set aside for the build, such as cpu: 500m."
    )
    limits: _Quantities = Field(
        default={},
        description="What the build may use at most. A build that needs more memory ends as OOMKilled.",
    )


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


_LabelValue = Annotated[
    str,
    Field(max_length=63),
    Rule(
        f"self.matches({quoted(f'^({LABEL_VALUE})$')})",
        "a label's value must be letters, digits, -, _ and ., with a letter or digit at both ends",
        lambda value: re.fullmatch(LABEL_VALUE, value, re.ASCII) is not None,
    ),
]


class Executor(Model):
    """The pod that builds."""

    image: ImageReference | None = Field(
        default=None, description="Executor image, where it is not the operator's own: see custom executors."
    )
    resources: Resources | None = Field(default=None, description="Compute resources.")
    node_selector: Annotated[
        dict[str, _LabelValue],
        Field(max_length=32),
        _keys_match(LABEL_KEY, "a label's key must be [DOMAIN/]NAME, such as kubernetes.io/arch"),
    ] = Field(default={}, description="Labels that the node must have.")
    tolerations: Annotated[tuple[Toleration, ...], Field(max_length=32)] = Field(
        default=(), strict=False, description="Taints that are tolerated."
    )


def _span(shortest: str, longest: str, message: str) -> Rule:
    """Bound a `Duration`; one that cannot be read is refused for that alone."""
    return Rule(
        f"!self.matches({quoted(f'^({SPAN})$')})"
        f" || (duration(self) >= duration('{shortest}') && duration(self) <= duration('{longest}'))",
        message,
        lambda value: seconds(shortest) <= seconds(value) <= seconds(longest),
    )


Timeout = Annotated[Duration, _span("1s", "24h", "timeout must be between 1s and 24h")]
Retention = Annotated[Duration, _span("0s", "8760h", "a retention must be between 0s and 8760h")]


class PodRetention(Model):
    """How long an executor's pod is kept, for its log, when it has ended."""

    succeeded: Retention = Field(default="10m", description="After a success.")
    failed: Retention = Field(default="24h", description="After a failure.")


# One spelling for one place, as `spelled_out` gives it: the tag written, no docker.io, no library/.
_SPELLED = (
    "((d.image.startsWith('docker.io/library/') ? d.image.substring(18)"
    " : d.image.startsWith('docker.io/') ? d.image.substring(10)"
    " : d.image.startsWith('index.docker.io/library/') ? d.image.substring(24)"
    " : d.image.startsWith('index.docker.io/') ? d.image.substring(16)"
    " : d.image.startsWith('library/') ? d.image.substring(8)"
    " : d.image.matches('^[^/]*[.:A-Z][^/]*/')"
    " ? d.image.split('/')[0].lowerAscii() + d.image.substring(d.image.indexOf('/')) : d.image)"
    " + (d.image.matches(':[^/]*$') ? '' : ':latest'))"
)


class ImageBuildSpec(Model):
    """What to build and where it goes. Any change of it that matters to the image starts a new build."""

    RULES = (
        Rule(
            "has(self.dockerfile) != has(self.dockerfileFrom)",
            "exactly one of dockerfile and dockerfileFrom is needed",
            lambda it: (it.dockerfile is None) != (it.dockerfile_from is None),
        ),
    )

    dockerfile: str | None = Field(
        default=None, min_length=1, max_length=DOCKERFILE_BYTES, description="Text of the Dockerfile."
    )
    dockerfile_from: DockerfileSource | None = Field(
        default=None, description="Where the Dockerfile comes from, if it is not given as text."
    )
    context: Context | None = Field(
        default=None, description="Build context; an empty one where it is absent."
    )
    build_args: Annotated[
        dict[str, BuildArgValue],
        Field(max_length=64),
        _keys_match(
            BUILD_ARG_NAME,
            "a build argument's name must begin with a letter or _ and hold letters, digits, _, . and - only",
        ),
    ] = Field(
        default={},
        description="Values of ARG instructions. They show in the pod and in the image's history:"
        " not a place for secrets.",
    )
    target: str | None = Field(
        default=None,
        min_length=1,
        max_length=128,
        description="Stage to build, by name or number; the last one where it is absent.",
    )
    destinations: Annotated[
        tuple[Destination, ...],
        Field(min_length=1, max_length=16),
        Rule(
            f"self.map(d, {_SPELLED}).all(one, self.map(d, {_SPELLED}).exists_one(other, other == one))",
            "two destinations are the same place, spelled differently: remove one of them",
            lambda value: len({spelled_out(to.image) for to in value}) == len(value),
        ),
    ] = Field(
        strict=False,
        json_schema_extra=_unique_by("image"),
        description="Where the image is pushed, one or more.",
    )
    pull_secret_refs: Annotated[tuple[SecretReference, ...], Field(max_length=16)] = Field(
        default=(),
        strict=False,
        json_schema_extra=_unique_by("name"),
        description="Secrets of type kubernetes.io/dockerconfigjson with the right to pull base images; they"
        " are used for nothing else.",
    )
    executor: Executor | None = Field(default=None, description="The pod that builds.")
    timeout: Timeout = Field(
        default=DEFAULT_TIMEOUT,
        description="How long one attempt may take from when a node takes its pod: pulling the executor's"
        " image and waiting for Secrets count. It may wait for a node as long again.",
    )
    pod_retention: PodRetention = Field(
        default_factory=PodRetention,
        description="How long a pod that has ended is kept for its log: 10m after a success, 24h after a"
        " failure, where nothing else is said.",
    )
    history_limit: int = Field(
        default=1,
        ge=0,
        le=LONGEST_HISTORY,
        description="How many pods that have ended are kept at most, the latest ones.",
    )


def referenced_config_maps(spec: Mapping[str, Any]) -> frozenset[str]:
    """Name the ConfigMaps that a raw spec, right or wrong, takes its Dockerfile and context from."""
    return frozenset(
        name
        for path in (("dockerfileFrom", "configMapKeyRef"), ("context", "configMap"))
        if isinstance(name := _name_at(spec, path), str)
    )


def _name_at(value: Any, path: tuple[str, ...]) -> Any:
    for key in (*path, "name"):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value
