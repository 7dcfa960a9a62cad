"""Write the resources of a build: immutable ConfigMaps with its inputs, and the pod of an attempt."""

from dataclasses import dataclass, field
from typing import Any

from yadokari_api.fields import seconds
from yadokari_api.imagebuild import ImageBuild
from yadokari_api.keys import (
    ANNOTATION_GENERATION,
    ANNOTATION_RETRIES,
    CONTAINER,
    LABEL_ATTEMPT,
    LABEL_PLATFORM,
)
from yadokari_api.pod.executor import Executor, Resources
from yadokari_contract.runtime import HOME
from yadokari_operator.pods import runtime, security
from yadokari_operator.pods.arguments import DOCKERFILE_FOLDER, Task, arguments
from yadokari_operator.pods.given import caches, trust
from yadokari_operator.pods.given.environment import environment, whole_secrets
from yadokari_operator.pods.given.sources import Place, place
from yadokari_operator.pods.inputs.files import ConfigMapData
from yadokari_operator.pods.inputs.gathered import Inputs
from yadokari_operator.pods.lodging import lodged
from yadokari_operator.pods.metadata import metadata_of
from yadokari_operator.pods.names import context_name, dockerfile_name, pod_name
from yadokari_operator.pods.placement import placement, user_mounts, user_volumes
from yadokari_operator.settings import Settings

Manifest = dict[str, Any]

_GRACE_SECONDS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One pod of a run; `retries` of the attempts before it failed by network or registry.

    `base` is the base image whose own container it builds in, if any.
    """

    run: str
    number: int
    retries: int
    task: Task = field(default_factory=Task)
    base: str = ""


def config_maps(build: ImageBuild, inputs: Inputs, run: str) -> list[Manifest]:
    """Write the ConfigMaps that hold the inputs of a run, which never change."""
    name = build.key.name
    contents: dict[str, ConfigMapData] = {}
    if inputs.dockerfile is not None:
        contents[dockerfile_name(name, run)] = ConfigMapData.of("Dockerfile", inputs.dockerfile)
    for number, part in enumerate(inputs.files or (), 1):
        contents[context_name(name, run, number)] = part.data
    return [_config_map(metadata_of(build, run, name), data) for name, data in contents.items()]


def pod(build: ImageBuild, inputs: Inputs, settings: Settings, attempt: Attempt) -> Manifest:
    """Write the pod of an attempt."""
    spec = inputs.spec
    executor = spec.executor or Executor()
    image, way = image_of(executor, settings), runtime.way_of(executor, settings)
    name = build.key.name
    where = place(name, inputs, attempt.run)
    part = attempt.task.part
    metadata = metadata_of(build, attempt.run, pod_name(name, attempt.run, attempt.number, part))
    marks = {**metadata["labels"], LABEL_ATTEMPT: str(attempt.number)}
    marks |= {LABEL_PLATFORM: part} if part else {}
    container = _container(build, inputs, where, settings, attempt)
    metadata["labels"] = {**executor.labels, **build.handed_over, **marks}
    metadata["annotations"] = {
        **executor.annotations,
        ANNOTATION_RETRIES: str(attempt.retries),
        ANNOTATION_GENERATION: str(build.generation),
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {
            "restartPolicy": "Never",
            "activeDeadlineSeconds": seconds(spec.timeout),
            "terminationGracePeriodSeconds": _GRACE_SECONDS,
            **security.of_pod(executor, settings),
            **placement(executor, spec.pull_secret_refs if attempt.base else ()),
            **_prepared(runtime.init_containers(way, image, _resources(executor))),
            "containers": [lodged(container, attempt.base) if attempt.base else container],
            "volumes": [
                *runtime.volumes(way, image),
                *_volumes(name, inputs, where, attempt.run),
                *caches.volumes(spec),
                *user_volumes(executor),
            ],
        },
    }


def _prepared(init_containers: list[Manifest]) -> Manifest:
    return {"initContainers": init_containers} if init_containers else {}


def image_of(executor: Executor, settings: Settings) -> str:
    """Name the executor image of a spec."""
    return executor.image or settings.executor_image


def _tracing(build: ImageBuild, run: str, executor: Executor, settings: Settings) -> list[Manifest]:
    if not settings.has_traces:
        return []
    from yadokari_operator.pods.given.traces import environment

    return environment(build, run, executor, settings.telemetry, settings.executor_otlp_endpoint)


def _resources(executor: Executor) -> Manifest:
    return (executor.resources or Resources()).model_dump(by_alias=True, exclude_defaults=True)


def _container(
    build: ImageBuild, inputs: Inputs, where: Place, settings: Settings, attempt: Attempt
) -> Manifest:
    executor = inputs.spec.executor or Executor()
    return {
        "name": CONTAINER,
        "image": image_of(executor, settings),
        "args": arguments(build.key.namespace, inputs, where, settings, attempt.task),
        # Where the Dockerfile is in the context, nothing else is to be found by its path.
        **({"workingDir": HOME} if inputs.dockerfile is None else {}),
        "env": [
            *_tracing(build, attempt.run, executor, settings),
            *environment(inputs.spec),
            *where.env,
            *trust.environment(inputs.spec),
        ],
        **({"envFrom": whole} if (whole := whole_secrets(inputs.spec)) else {}),
        "resources": _resources(executor),
        "securityContext": security.of_container(executor, settings),
        # A result is JSON; anything else is the log's end, of an executor that could not write one.
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            *runtime.mounts(runtime.way_of(executor, settings)),
            *_mounts(inputs, where),
            *caches.mounts(inputs.spec),
            *user_mounts(executor),
        ],
    }


def _volumes(name: str, inputs: Inputs, where: Place, run: str) -> list[Manifest]:
    volumes = list(where.volumes)
    if inputs.dockerfile is not None:
        volumes.insert(0, {"name": "dockerfile", "configMap": {"name": dockerfile_name(name, run)}})
    return [*volumes, *trust.volumes(inputs.spec)]


def _mounts(inputs: Inputs, where: Place) -> list[Manifest]:
    mounts = list(where.mounts)
    if inputs.dockerfile is not None:
        mounts.insert(0, {"name": "dockerfile", "mountPath": DOCKERFILE_FOLDER, "readOnly": True})
    return [*mounts, *trust.mounts(inputs.spec)]


def _config_map(metadata: Manifest, data: ConfigMapData) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata,
        "immutable": True,
        "data": dict(data.text),
        "binaryData": dict(data.binary),
    }
