"""The executor of a spec: the pod that builds."""

import re
from typing import Annotated, Literal

from pydantic import Field

from yadokari_api.fields import ImageReference, Quantity, ResourceName, amount
from yadokari_api.model import Model, exactly_one, keys_match, unique_by
from yadokari_api.pod.scheduling import Affinity, Labels, SpreadConstraint, Toleration
from yadokari_api.references import (
    ConfigMapKeyReference,
    ConfigMapReference,
    SecretKeyReference,
    SecretReference,
)
from yadokari_api.rules import Rule, matches, quoted

_STANDARD_RESOURCES = r"cpu|memory|ephemeral-storage|hugepages-[0-9]+[KMG]i"
Quantities = Annotated[
    dict[str, Quantity],
    Field(max_length=16),
    keys_match(
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

    requests: Quantities = Field(
        default={}, description="What is set aside for the build, such as cpu: 500m."
    )
    limits: Quantities = Field(
        default={},
        description="What the build may use at most. A build that needs more memory ends as OOMKilled.",
    )


class VariableSource(Model):
    """Where the value of a variable comes from."""

    RULES = (
        exactly_one(
            ("secret_key_ref", "config_map_key_ref"),
            "valueFrom must name exactly one of secretKeyRef and configMapKeyRef",
        ),
    )

    secret_key_ref: SecretKeyReference | None = Field(default=None, description="A key of a Secret.")
    config_map_key_ref: ConfigMapKeyReference | None = Field(
        default=None, description="A key of a ConfigMap."
    )


# What fields of the spec say, or what would change the executor itself.
_TAKEN = (
    r"DOCKER_AUTH_CONFIG.*|REGISTRY_AUTH_FILE|DOCKER_CONFIG|YADOKARI_.*|KANIKO_.*|GIT_.*|LD_.*|PYTHON.*|SSL_CERT_.*"
    r"|SOURCE_DATE_EPOCH|BUILDER_OUTPUT"
)


class Variable(Model):
    """A variable of the executor's environment; steps do not get it."""

    RULES = (
        exactly_one(("value", "value_from"), "a variable must have exactly one of value and valueFrom"),
        Rule(
            f"!self.name.matches({quoted(f'^({_TAKEN})$')})",
            "env must not set DOCKER_*, REGISTRY_AUTH_FILE, YADOKARI_*, KANIKO_*, GIT_*, SSL_CERT_*,"
            " SOURCE_DATE_EPOCH, BUILDER_OUTPUT, LD_* or PYTHON*: use the fields for registries, context,"
            " secrets, certificates and output",
            lambda it: re.fullmatch(_TAKEN, it.name, re.ASCII) is None,
        ),
    )

    name: Annotated[
        str,
        Field(max_length=253),
        matches(
            "[a-zA-Z_][a-zA-Z0-9_]*", "a variable's name must be letters, digits and _, with no digit first"
        ),
    ] = Field(description="Name of the variable.")
    value: str | None = Field(default=None, max_length=4096, description="Its value, for all to read.")
    value_from: VariableSource | None = Field(default=None, description="Where its value comes from.")


class EmptyVolume(Model):
    """An empty folder that lasts as long as the pod."""

    medium: Literal["", "Memory"] | None = Field(default=None, description="Memory, or the node's disk.")
    size_limit: Quantity | None = Field(default=None, description="How much it may hold.")


class Claim(Model):
    """A volume that somebody claimed."""

    claim_name: ResourceName = Field(description="Name of the PersistentVolumeClaim.")
    read_only: bool | None = Field(
        default=None, description="Mount it for reading alone; false where absent."
    )


_VolumeName = Annotated[
    str,
    Field(max_length=50),
    matches("[a-z0-9]([-a-z0-9]*[a-z0-9])?", "a volume's name must be lower-case letters, digits and -"),
]


class Volume(Model):
    """A volume of the executor's pod: of a kind that gives it no rights on the node and no credentials."""

    RULES = (
        exactly_one(
            ("empty_dir", "config_map", "persistent_volume_claim"),
            "a volume must be exactly one of emptyDir, configMap and persistentVolumeClaim",
        ),
    )

    name: _VolumeName = Field(description="Name, for volumeMounts.")
    empty_dir: EmptyVolume | None = Field(default=None, description="An empty folder.")
    config_map: ConfigMapReference | None = Field(default=None, description="Files of a ConfigMap.")
    persistent_volume_claim: Claim | None = Field(default=None, description="A volume that somebody claimed.")


_NOT_TO_MOUNT = ("/proc", "/sys", "/dev", "/kaniko", "/yadokari")


def _may_be_mounted(path: str) -> bool:
    below = any(path == place or path.startswith(f"{place}/") for place in _NOT_TO_MOUNT)
    return not below and not {".", ".."} & {*path.split("/")}


class Mount(Model):
    """Where a volume is in the executor."""

    RULES = (
        Rule(
            "!self.mountPath.split('/').exists(part, part == '..' || part == '.')"
            f" && !{[*_NOT_TO_MOUNT]}.exists(p, self.mountPath == p || self.mountPath.startsWith(p + '/'))",
            "mountPath must not be in /proc, /sys, /dev, /kaniko and /yadokari, and have no . and .. in it",
            lambda it: _may_be_mounted(it.mount_path),
        ),
    )

    name: _VolumeName = Field(description="Name of the volume.")
    mount_path: Annotated[
        str,
        Field(max_length=1024),
        matches(
            r"(/[^/:\s]+)+",
            "mountPath must be a folder by its whole path, other than /, such as /var/cache/apt",
        ),
    ] = Field(description="Where it is. Nothing below it gets into the image.")
    sub_path: (
        Annotated[
            str,
            Field(max_length=1024),
            matches(r"[^/\s][^\s]*", "subPath must be a path below the volume's root"),
        ]
        | None
    ) = Field(default=None, description="Folder of the volume; all of it where absent.")
    read_only: bool | None = Field(default=None, description="For reading alone; false where absent.")


# Flags that no field stands for and that name neither credentials nor places for outputs.
EXTRA_FLAGS = (
    "compression-level",
    "ignore-path",
    "ignore-var-run",
    "image-download-retry",
    "image-format",
    "image-fs-extract-retry",
    "insecure-registry",
    "log-timestamp",
    "materialize",
    "push-ignore-immutable-tag-errors",
    "push-retry",
    "registry-map",
    "registry-mirror",
    "single-snapshot",
    "skip-default-registry-fallback",
    "skip-push-permission-check",
    "skip-tls-verify-registry",
    "verbosity",
)

_UserLabels = Annotated[
    Labels,
    Rule(
        "!self.exists(key, key.startsWith('yadokari.dev/') || key == 'app.kubernetes.io/managed-by')",
        "labels must not be of yadokari.dev/ nor app.kubernetes.io/managed-by: the operator finds its pods by"
        " them",
        lambda value: (
            not any(key.startswith("yadokari.dev/") or key == "app.kubernetes.io/managed-by" for key in value)
        ),
    ),
]
_Annotations = Annotated[
    dict[str, Annotated[str, Field(max_length=4096)]],
    Field(max_length=32),
    keys_match(
        r"([a-zA-Z0-9]([-.a-zA-Z0-9]*[a-zA-Z0-9])?/)?[a-zA-Z0-9]([-._a-zA-Z0-9]*[a-zA-Z0-9])?",
        "an annotation's key must be [DOMAIN/]NAME, such as example.com/team",
    ),
    Rule(
        "!self.exists(key, key.startsWith('yadokari.dev/'))",
        "annotations must not be of yadokari.dev/: they are the operator's own",
        lambda value: not any(key.startswith("yadokari.dev/") for key in value),
    ),
]


class Executor(Model):
    """The pod that builds."""

    RULES = (
        Rule(
            "!has(self.volumeMounts)"
            " || self.volumeMounts.all(m, has(self.volumes) && self.volumes.exists(v, v.name == m.name))",
            "each of volumeMounts must name one of volumes",
            lambda it: {mount.name for mount in it.volume_mounts} <= {volume.name for volume in it.volumes},
        ),
        Rule(
            "!has(self.volumes) || self.volumes.all(v,"
            " has(self.volumeMounts) && self.volumeMounts.exists(m, m.name == v.name))",
            "each of volumes must be mounted by one of volumeMounts, or be left out",
            lambda it: {volume.name for volume in it.volumes} <= {mount.name for mount in it.volume_mounts},
        ),
        Rule(
            "!has(self.lodging) || self.lodging != 'Always'"
            " || !has(self.isolation) || self.isolation != 'Namespaces'",
            "lodging Always and isolation Namespaces exclude each other, leave one of them out: in a base"
            " image's own container steps have no root of their own",
            lambda it: (it.lodging, it.isolation) != ("Always", "Namespaces"),
        ),
    )

    image: ImageReference | None = Field(
        default=None,
        description="Executor image, where it is not the operator's; what it adds goes into /yadokari/bin.",
    )
    image_pull_secrets: Annotated[tuple[SecretReference, ...], Field(max_length=16)] = Field(
        default=(),
        strict=False,
        json_schema_extra=unique_by("name"),
        description="Secrets with which the node pulls the executor image.",
    )
    resources: Resources | None = Field(default=None, description="Compute resources.")
    service_account_name: ResourceName | None = Field(
        default=None,
        description="Account of the pod, for what a cloud gives to it. Its token is not in the pod.",
    )
    node_selector: Labels = Field(default={}, description="Labels that the node must have.")
    tolerations: Annotated[tuple[Toleration, ...], Field(max_length=32)] = Field(
        default=(), strict=False, description="Taints that are tolerated."
    )
    affinity: Affinity | None = Field(default=None, description="Where it must and had better run.")
    topology_spread_constraints: Annotated[tuple[SpreadConstraint, ...], Field(max_length=8)] = Field(
        default=(), strict=False, description="How pods are spread over places."
    )
    runtime: Literal["Auto", "ImageVolume", "InitContainer"] | None = Field(
        default=None,
        description="How the executor's own files, which no step can write, come into the pod: what the"
        " operator's settings say where it is absent.",
    )
    isolation: Literal["Auto", "Namespaces", "Shared"] | None = Field(
        default=None,
        description="How steps are kept apart: each in namespaces of its own, all in the executor's own, or"
        " as the pod allows (Auto). What the operator's settings say where it is absent.",
    )
    lodging: Literal["Auto", "Always", "Never"] | None = Field(
        default=None,
        description="Whether a base image's own container is built in, where it is known which one can be:"
        " always, never, or where nothing is lost by it (Auto). What the operator's settings say where it"
        " is absent.",
    )
    runtime_class_name: ResourceName | None = Field(
        default=None, description="RuntimeClass that runs the pod."
    )
    priority_class_name: ResourceName | None = Field(default=None, description="PriorityClass of the pod.")
    env: Annotated[tuple[Variable, ...], Field(max_length=64)] = Field(
        default=(),
        strict=False,
        json_schema_extra=unique_by("name"),
        description="Variables of the executor, such as HTTPS_PROXY. Steps do not get them.",
    )
    labels: _UserLabels = Field(default={}, description="Labels of the pod.")
    annotations: _Annotations = Field(default={}, description="Annotations of the pod.")
    volumes: Annotated[tuple[Volume, ...], Field(max_length=16)] = Field(
        default=(),
        strict=False,
        json_schema_extra=unique_by("name"),
        description="Further volumes of the pod.",
    )
    volume_mounts: Annotated[tuple[Mount, ...], Field(max_length=16)] = Field(
        default=(),
        strict=False,
        json_schema_extra=unique_by("mountPath"),
        description="Where they are in the executor.",
    )
    extra_args: Annotated[
        tuple[
            Annotated[
                str,
                Field(max_length=1024),
                matches(
                    rf"--({'|'.join(EXTRA_FLAGS)})(=[^\n]*)?",
                    "extraArgs must be --FLAG or --FLAG=VALUE, of the flags that no field stands for: "
                    + ", ".join(EXTRA_FLAGS),
                ),
            ],
            ...,
        ],
        Field(max_length=32),
    ] = Field(
        default=(),
        strict=False,
        description="Further arguments, of flags that no field stands for. They make the image.",
    )
