"""What an administrator says once for all builds: defaults of what makes no image, and bounds.

An ImageBuildPolicy is of the whole cluster. Defaults and bounds leave the hash of the inputs alone,
so that no change of a policy builds an image anew.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from yadokari_api.fields import ResourceName
from yadokari_api.keys import POLICY_KIND
from yadokari_api.model import Model
from yadokari_api.pod.executor import Quantities, Resources
from yadokari_api.pod.scheduling import Labels, LabelSelector, Toleration
from yadokari_api.rules import matches
from yadokari_api.spec import HIGHEST_PRIORITY, Timeout

_HOST = (
    r"([A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+(:[0-9]{1,5})?|[A-Za-z0-9-]+:[0-9]{1,5}|localhost"
    r"|\[[0-9A-Fa-f:]+\](:[0-9]{1,5})?)"
)

Place = Annotated[
    str,
    Field(max_length=512),
    matches(
        rf"{_HOST}(/[a-z0-9._-]+)*/?",
        "a place must be a registry (HOST[:PORT]), a part of one or a repository, such as docker.io/library"
        " or registry.example.com/team: without https:// and without a tag",
    ),
]
"""A registry, a part of it or a repository: all that is below."""

Places = Annotated[tuple[Place, ...], Field(max_length=64)]


class Defaults(Model):
    """What builds get that say nothing of it. None of it makes the image."""

    resources: Resources | None = Field(
        default=None, description="Amounts of executor.resources, each where the build names none."
    )
    node_selector: Labels = Field(
        default={}, description="Labels of nodes, each where executor.nodeSelector does not have its key."
    )
    tolerations: Annotated[tuple[Toleration, ...], Field(max_length=32)] = Field(
        default=(), strict=False, description="Taints that are tolerated where executor.tolerations is empty."
    )
    runtime_class_name: ResourceName | None = Field(
        default=None, description="RuntimeClass where executor.runtimeClassName is absent."
    )
    priority_class_name: ResourceName | None = Field(
        default=None, description="PriorityClass where executor.priorityClassName is absent."
    )


class Bounds(Model):
    """What builds must keep to."""

    executor_images: Places | None = Field(
        default=None,
        strict=False,
        description="Where executor.image may be from; with an empty list, no build may name one.",
    )
    service_account_names: Annotated[tuple[ResourceName, ...], Field(max_length=64)] | None = Field(
        default=None,
        strict=False,
        description="What executor.serviceAccountName may be; with an empty list, no build may name one.",
    )
    registries: Places | None = Field(
        default=None,
        strict=False,
        description="Where destinations and cache.registry.image may be.",
    )
    resources: Quantities = Field(
        default={},
        description="What requests and limits may be at most. It is the limit of builds that name none.",
    )
    node_selector: Labels = Field(
        default={}, description="Labels that nodes must have. All builds get them, and none may have others."
    )
    isolation: Literal["Namespaces"] | None = Field(
        default=None,
        json_schema_extra={"enum": ["Namespaces"]},
        description="Namespaces: each step in namespaces of its own, or the build fails.",
    )
    lodging: Literal["Never"] | None = Field(
        default=None,
        json_schema_extra={"enum": ["Never"]},
        description="Never: all pods are of the executor image, and none is a base image's own.",
    )
    priority: Annotated[int, Field(ge=-HIGHEST_PRIORITY, le=HIGHEST_PRIORITY)] | None = Field(
        default=None, description="How high priority may be."
    )
    timeout: Timeout | None = Field(
        default=None, description="How long timeout may be. That of builds which name none is 1h."
    )
    cache_read_only: bool | None = Field(
        default=None,
        description="Builds leave nothing in a cache in a registry, whatever they say; false where absent.",
    )


class ImageBuildPolicySpec(Model):
    """Defaults and bounds. Of several policies each must allow a build, and the first has its defaults."""

    namespace_selector: LabelSelector | None = Field(
        default=None, description="Namespaces that it is for, by their labels; all of them where absent."
    )
    defaults: Defaults | None = Field(default=None, description="What builds get that say nothing of it.")
    bounds: Bounds | None = Field(default=None, description="What builds must keep to.")


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy, and how messages call it."""

    title: str
    spec: ImageBuildPolicySpec

    @classmethod
    def parse(cls, resource: Mapping[str, Any]) -> "Policy":
        """Read an ImageBuildPolicy as the API server gives it. Raises `ValidationError`."""
        spec = ImageBuildPolicySpec.model_validate(resource.get("spec") or {})
        return cls(f"{POLICY_KIND} {resource['metadata']['name']}", spec)
