"""The spec of an ImageBuild: its fields, their bounds and their rules.

The CRD is generated from these classes (crd.py); a docstring or description here is what `kubectl explain`
shows. `RULES` are checked by the API server in CEL and here in Python, so that both say the same.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from yadokari_api.fields import (
    BuildArgName,
    BuildArgValue,
    ConfigMapKey,
    Duration,
    ImageReference,
    Quantity,
    ResourceName,
    TaggedReference,
    seconds,
)

DEFAULT_TIMEOUT = "1h"
LONGEST_TIMEOUT = 24 * 3600
DOCKERFILE_BYTES = 256 * 1024

DOCKERFILE_RULE = "exactly one of dockerfile and dockerfileFrom is needed"
TIMEOUT_RULE = "timeout must be between 1s and 24h"


class Model(BaseModel):
    """Base of all parts of a spec: camelCase names, no unknown fields, never changed once made."""

    model_config = ConfigDict(
        alias_generator=to_camel, extra="forbid", frozen=True, strict=True, validate_by_name=True
    )


def _rule(expression: str, message: str) -> dict[str, Any]:
    return {"x-kubernetes-validations": [{"rule": expression, "message": message}]}


def _unique_by(key: str) -> dict[str, Any]:
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key]}


class SecretReference(Model):
    """A Secret of type kubernetes.io/dockerconfigjson in the namespace of the ImageBuild."""

    name: ResourceName = Field(description="Name of the Secret.")


class Destination(Model):
    """A place that the image is pushed to."""

    image: TaggedReference = Field(
        min_length=1,
        description="Reference to push to, such as registry.example.com/team/app:1.2. The tag is latest"
        " where none is given.",
    )
    insecure: bool = Field(default=False, description="Reach this registry over plain HTTP.")
    push_secret_ref: SecretReference | None = Field(
        default=None, description="Secret of type kubernetes.io/dockerconfigjson with the right to push."
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


class Resources(Model):
    """Compute resources of the executor, as in a pod."""

    requests: Annotated[dict[str, Quantity], Field(max_length=16)] = Field(
        default={}, description="What is set aside for the build, such as cpu: 500m."
    )
    limits: Annotated[dict[str, Quantity], Field(max_length=16)] = Field(
        default={},
        description="What the build may use at most. A build that needs more memory ends as OOMKilled.",
    )


class Toleration(Model):
    """A taint of nodes that the executor's pod tolerates, as in a pod."""

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


class Executor(Model):
    """The pod that builds."""

    image: ImageReference | None = Field(
        default=None, description="Executor image, where it is not the operator's own: see custom executors."
    )
    resources: Resources | None = Field(default=None, description="Compute resources.")
    node_selector: Annotated[dict[str, Annotated[str, Field(max_length=63)]], Field(max_length=32)] = Field(
        default={}, description="Labels that the node must have."
    )
    tolerations: Annotated[tuple[Toleration, ...], Field(max_length=32)] = Field(
        default=(), strict=False, description="Taints that are tolerated."
    )


class ImageBuildSpec(Model):
    """What to build and where it goes. Any change of it that matters to the image starts a new build."""

    model_config = ConfigDict(
        json_schema_extra=_rule("has(self.dockerfile) != has(self.dockerfileFrom)", DOCKERFILE_RULE)
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
    build_args: Annotated[dict[BuildArgName, BuildArgValue], Field(max_length=64)] = Field(
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
    destinations: Annotated[tuple[Destination, ...], Field(min_length=1, max_length=16)] = Field(
        strict=False,
        json_schema_extra=_unique_by("image"),
        description="Where the image is pushed, one or more.",
    )
    pull_secret_refs: Annotated[tuple[SecretReference, ...], Field(max_length=16)] = Field(
        default=(),
        strict=False,
        json_schema_extra=_unique_by("name"),
        description="Secrets of type kubernetes.io/dockerconfigjson with the right to pull base images.",
    )
    executor: Executor | None = Field(default=None, description="The pod that builds.")
    timeout: Duration = Field(
        default=DEFAULT_TIMEOUT,
        json_schema_extra=_rule(
            "duration(self) >= duration('1s') && duration(self) <= duration('24h')", TIMEOUT_RULE
        ),
        description="How long one attempt may take, waiting for its pod to start not counted in.",
    )

    @model_validator(mode="after")
    def _check_rules(self) -> Self:
        if (self.dockerfile is None) == (self.dockerfile_from is None):
            raise ValueError(DOCKERFILE_RULE)
        if not 1 <= seconds(self.timeout) <= LONGEST_TIMEOUT:
            raise ValueError(TIMEOUT_RULE)
        return self


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
