"""The spec of an ImageBuild: its fields, their bounds and their rules.

The CRD is generated from these classes (crd.py); a docstring or description here is what `kubectl explain`
shows. No field of a list's items has a default: `kubectl apply` would find a difference each time.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, WithJsonSchema

from yadokari_api.cache import Cache
from yadokari_api.fields import (
    BUILD_ARG_NAME,
    BuildArgValue,
    Duration,
    TaggedReference,
    between,
    spelled_out,
)
from yadokari_api.inputs.context import Context, FluxSource
from yadokari_api.inputs.dockerfile import DockerfileSource
from yadokari_api.inputs.values import BuildArgsSource, BuildSecret
from yadokari_api.model import Model, keys_match, unique_by
from yadokari_api.pod.executor import Executor
from yadokari_api.pod.platforms import EACH_ONCE, MOST_PLATFORMS, Platform
from yadokari_api.rebuild import Rebuild
from yadokari_api.references import ConfigMapReference, SecretReference
from yadokari_api.rules import Rule

DEFAULT_TIMEOUT = "1h"
DEFAULT_RETRIES = 3
MOST_RETRIES = 10
HIGHEST_PRIORITY = 1000
DOCKERFILE_BYTES = 256 * 1024
LONGEST_HISTORY = 20


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


class Certificates(Model):
    """Certificates of authorities to trust for registries, contexts and ADD, and by steps if wanted."""

    config_map_ref: ConfigMapReference = Field(description="ConfigMap whose keys are files in PEM form.")
    in_steps: bool | None = Field(
        default=None,
        description="Have RUN steps trust them as well: a file that is there while a step runs, in no layer,"
        " and SSL_CERT_FILE and its kin name it. False where it is absent.",
    )


_Pairs = Annotated[dict[str, Annotated[str, Field(max_length=4096)]], Field(max_length=64)]
_WORD = r"[^=\s]{1,255}"


class OutputSpec(Model):
    """What the image is like, beside what the Dockerfile says."""

    labels: Annotated[_Pairs, keys_match(_WORD, "a label's key must be a word without =")] = Field(
        default={}, description="Labels of the image, as by docker build --label."
    )
    annotations: Annotated[_Pairs, keys_match(_WORD, "an annotation's key must be a word without =")] = Field(
        default={},
        description="Annotations of the image's manifest, which make it one of OCI's, and of the index of"
        " several platforms.",
    )
    timestamp: (
        Annotated[
            str | int,
            Field(union_mode="left_to_right"),
            WithJsonSchema({"x-kubernetes-int-or-string": True, "maxLength": 11}),
            Rule(
                "string(self).matches('^(Zero|Build|Source|[0-9]{1,11})$')",
                "timestamp must be Zero, Source, Build or seconds since 1970",
                lambda value: re.fullmatch("Zero|Build|Source|[0-9]{1,11}", str(value), re.ASCII) is not None,
            ),
        ]
        | None
    ) = Field(
        default=None,
        description="Time of the image and, at most, of its files: when it was built (Build), that of the"
        " commit that is the context (Source), none at all (Zero: the same files make the same digest), or"
        " seconds since 1970. Build where it is absent.",
    )
    compression: Literal["gzip", "zstd"] | None = Field(
        default=None, description="How layers are compressed; gzip where it is absent."
    )


Timeout = Annotated[Duration, between("1s", "24h", "timeout must be between 1s and 24h")]
PendingTimeout = Annotated[Duration, between("1s", "24h", "pendingTimeout must be between 1s and 24h")]
Retention = Annotated[Duration, between("0s", "8760h", "a retention must be between 0s and 8760h")]


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


# A hash that is all of one, such as no branch is called.
_COMMIT = "^([0-9a-f]{40}|[0-9a-f]{64})$"


def _may_move(context: Context | None) -> bool:
    git = context.git if context else None
    return git is not None and re.fullmatch(_COMMIT, git.ref or "") is None


class ImageBuildSpec(Model):
    """What to build and where it goes. Any change of it that matters to the image starts a new build."""

    RULES = (
        Rule(
            "has(self.dockerfile) != has(self.dockerfileFrom)",
            "exactly one of dockerfile and dockerfileFrom is needed",
            lambda it: (it.dockerfile is None) != (it.dockerfile_from is None),
        ),
        Rule(
            "!has(self.dockerfileFrom) || !has(self.dockerfileFrom.path) || has(self.context)",
            "dockerfileFrom.path is a file of the context: say where that is as context",
            lambda it: (
                it.dockerfile_from is None or it.dockerfile_from.path is None or it.context is not None
            ),
        ),
        Rule(
            "!has(self.output) || !has(self.output.timestamp) || string(self.output.timestamp) != 'Source'"
            " || has(self.context) && has(self.context.git)",
            "output.timestamp: Source is the time of a commit: it takes context.git",
            lambda it: (
                it.output is None
                or it.output.timestamp != "Source"
                or (it.context is not None and it.context.git is not None)
            ),
        ),
        Rule(
            "!has(self.rebuild) || !has(self.rebuild.onGitChange) || (has(self.context)"
            " && has(self.context.git) && !(has(self.context.git.ref)"
            f" && self.context.git.ref.matches('{_COMMIT}')))",
            "rebuild.onGitChange follows a branch or a tag of context.git: name one there, and no commit",
            lambda it: it.rebuild is None or it.rebuild.on_git_change is None or _may_move(it.context),
        ),
    )

    suspend: bool = Field(
        default=False, description="Build nothing: a build that runs is ended, and begins anew afterwards."
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
        keys_match(
            BUILD_ARG_NAME,
            "a build argument's name must begin with a letter or _ and hold letters, digits, _, . and - only",
        ),
    ] = Field(
        default={},
        description="Values of ARG instructions. They show in the pod and in the image's history:"
        " not a place for secrets.",
    )
    build_args_from: Annotated[tuple[BuildArgsSource, ...], Field(max_length=16)] = Field(
        default=(),
        strict=False,
        description="More build arguments. Of one name buildArgs counts, then the last ConfigMap, then the"
        " last Secret that is listed here.",
    )
    secrets: Annotated[tuple[BuildSecret, ...], Field(max_length=32)] = Field(
        default=(),
        strict=False,
        json_schema_extra=unique_by("id"),
        description="Secrets for RUN --mount=type=secret: in no layer, and for the steps that ask for them.",
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
        json_schema_extra=unique_by("image"),
        description="Where the image is pushed, one or more.",
    )
    platforms: Annotated[tuple[Platform, ...], Field(max_length=MOST_PLATFORMS), EACH_ONCE] = Field(
        default=(),
        strict=False,
        json_schema_extra={"x-kubernetes-list-type": "set"},
        description="Platforms to build for, each in a pod of its own on a node of that architecture; several"
        " are pushed as one index. That of the node where it is absent.",
    )
    pull_secret_refs: Annotated[tuple[SecretReference, ...], Field(max_length=16)] = Field(
        default=(),
        strict=False,
        json_schema_extra=unique_by("name"),
        description="Secrets of type kubernetes.io/dockerconfigjson with the right to pull base images, and"
        " what cache.registry.from names; they are used for nothing else.",
    )
    certificates: Certificates | None = Field(
        default=None, description="Certificates of authorities to trust, beside those that all know."
    )
    output: OutputSpec | None = Field(default=None, description="What the image is like.")
    cache: Cache | None = Field(
        default=None,
        description="What earlier builds left is taken, and what this one makes is kept; not without it.",
    )
    executor: Executor | None = Field(default=None, description="The pod that builds.")
    rebuild: Rebuild | None = Field(
        default=None,
        description="When the image is built again though nothing here has changed; never where absent.",
    )
    priority: int = Field(
        default=0,
        ge=-HIGHEST_PRIORITY,
        le=HIGHEST_PRIORITY,
        description="Which builds of a namespace go first where the operator limits how many run.",
    )
    timeout: Timeout = Field(
        default=DEFAULT_TIMEOUT,
        description="How long one attempt may take from when a node takes its pod: pulling the executor's"
        " image and waiting for Secrets count.",
    )
    pending_timeout: PendingTimeout | None = Field(
        default=None,
        description="How long one attempt may wait until the executor runs: for a node, its image, Secrets."
        " As long as timeout, for a node and for the rest each, where it is absent.",
    )
    retries: int = Field(
        default=DEFAULT_RETRIES,
        ge=0,
        le=MOST_RETRIES,
        description="How often a build is tried again after failures of the network or a registry.",
    )
    concurrency_policy: Literal["Replace", "Queue", "Forbid"] = Field(
        default="Replace",
        description="What becomes of a change while a build runs: it takes the place of that build (Replace),"
        " comes after it (Queue), or is not built unless it is asked for afterwards (Forbid).",
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
    """Name the ConfigMaps that a raw spec, right or wrong, is read with: a change of them is one of it."""
    paths = (
        ("dockerfileFrom", "configMapKeyRef"),
        ("context", "configMap"),
        ("context", "configMaps"),
        ("buildArgsFrom", "configMapRef"),
        ("certificates", "configMapRef"),
    )
    names = (name for path in paths for name in _found(spec, (*path, "name")))
    return frozenset(name for name in names if isinstance(name, str))


def referenced_flux_source(spec: Mapping[str, Any]) -> FluxSource | None:
    """Give the source of Flux that a raw spec, right or wrong, is read with."""
    for found in _found(spec, ("context", "fluxSource")):
        with suppress(ValidationError):
            return FluxSource.model_validate(found)
    return None


def priority_of(spec: Mapping[str, Any]) -> int:
    """Tell the priority of a raw spec, right or wrong."""
    priority = spec.get("priority", 0)
    return priority if isinstance(priority, int) else 0


def pushed_to(spec: Mapping[str, Any]) -> frozenset[str]:
    """Name the places that a raw spec, right or wrong, pushes to, each in its one spelling."""
    found = (image for image in _found(spec, ("destinations", "image")) if isinstance(image, str))
    return frozenset(map(spelled_out, found))


def _found(value: Any, path: tuple[str, ...]) -> Iterator[Any]:
    """Yield what stands at a path; a list on the way stands for all that it holds."""
    if isinstance(value, list):
        for item in value:
            yield from _found(item, path)
    elif not path:
        yield value
    elif isinstance(value, Mapping) and path[0] in value:
        yield from _found(value[path[0]], path[1:])
