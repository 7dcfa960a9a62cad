"""Write the resources of a build: immutable ConfigMaps with its inputs, and the pod of an attempt."""

from dataclasses import dataclass
from typing import Any

from yadokari_api.fields import registry_host, seconds
from yadokari_api.imagebuild import ImageBuild
from yadokari_api.keys import (
    ANNOTATION_GENERATION,
    ANNOTATION_RETRIES,
    API_VERSION,
    CONTAINER,
    KIND,
    LABEL_ATTEMPT,
    LABEL_BUILD,
    LABEL_MANAGER,
    LABEL_RUN,
    MANAGER,
)
from yadokari_api.spec import Executor, ImageBuildSpec, Resources
from yadokari_contract.arguments import format_arguments
from yadokari_contract.spec import BuildSpec
from yadokari_operator.pods import runtime, security
from yadokari_operator.pods.inputs import ConfigMapData, Inputs
from yadokari_operator.pods.names import context_name, dockerfile_name, label_value, pod_name
from yadokari_operator.settings import Settings

Manifest = dict[str, Any]

# All mounts lie in the runtime's own directory: there, neither they nor the parents that the container
# runtime makes for them can get into a layer or be hidden by what a base image brings.
_INPUT = "/yadokari/input"
_DOCKERFILE_FOLDER = f"{_INPUT}/dockerfile"
_CONTEXT_FOLDER = f"{_INPUT}/context"
_RESULT_FILE = "/dev/termination-log"

_GRACE_SECONDS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One pod of a run; `retries` of the attempts before it failed by network or registry."""

    run: str
    number: int
    retries: int


def config_maps(build: ImageBuild, inputs: Inputs, run: str) -> list[Manifest]:
    """Write the ConfigMaps that hold the inputs of a run, which never change."""
    name = build.key.name
    contents = {dockerfile_name(name, run): ConfigMapData.of("Dockerfile", inputs.dockerfile)}
    if inputs.context is not None:
        contents[context_name(name, run)] = inputs.context
    return [_config_map(_metadata(build, run, name), data) for name, data in contents.items()]


def pod(build: ImageBuild, inputs: Inputs, settings: Settings, attempt: Attempt) -> Manifest:
    """Write the pod of an attempt."""
    spec = inputs.spec
    executor = spec.executor or Executor()
    image, way = _image(executor, settings), runtime.way_of(executor, settings)
    name = build.key.name
    metadata = _metadata(build, attempt.run, pod_name(name, attempt.run, attempt.number))
    metadata["labels"][LABEL_ATTEMPT] = str(attempt.number)
    metadata["annotations"] = {
        ANNOTATION_RETRIES: str(attempt.retries),
        ANNOTATION_GENERATION: str(build.generation),
    }
    placement: Manifest = {}
    if executor.node_selector:
        placement["nodeSelector"] = dict(executor.node_selector)
    if executor.tolerations:
        placement["tolerations"] = [
            toleration.model_dump(by_alias=True, exclude_none=True) for toleration in executor.tolerations
        ]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "activeDeadlineSeconds": seconds(spec.timeout),
            "terminationGracePeriodSeconds": _GRACE_SECONDS,
            **security.of_pod(executor, settings),
            **placement,
            **_prepared(runtime.init_containers(way, image, _resources(executor))),
            "containers": [_container(inputs, executor, settings)],
            "volumes": [*runtime.volumes(way, image), *_volumes(name, inputs, attempt.run)],
        },
    }


def _prepared(init_containers: list[Manifest]) -> Manifest:
    return {"initContainers": init_containers} if init_containers else {}


def _image(executor: Executor, settings: Settings) -> str:
    return executor.image or settings.executor_image


def _resources(executor: Executor) -> Manifest:
    return (executor.resources or Resources()).model_dump(by_alias=True, exclude_defaults=True)


def _container(inputs: Inputs, executor: Executor, settings: Settings) -> Manifest:
    return {
        "name": CONTAINER,
        "image": _image(executor, settings),
        "args": format_arguments(build_spec(inputs.spec, settings)),
        "env": _credentials(inputs.spec),
        "resources": _resources(executor),
        "securityContext": security.of_container(executor, settings),
        # A result is JSON; anything else is the log's end, of an executor that could not write one.
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            *runtime.mounts(runtime.way_of(executor, settings)),
            {"name": "dockerfile", "mountPath": _DOCKERFILE_FOLDER, "readOnly": True},
            {"name": "context", "mountPath": _CONTEXT_FOLDER, "readOnly": True},
        ],
    }


def build_spec(spec: ImageBuildSpec, settings: Settings) -> BuildSpec:
    """Say what the executor is to do."""
    insecure = [registry_host(to.image) for to in spec.destinations if to.insecure]
    return BuildSpec(
        context=f"dir://{_CONTEXT_FOLDER}",
        dockerfile=f"{_DOCKERFILE_FOLDER}/Dockerfile",
        destinations=tuple(to.image for to in spec.destinations),
        result_file=_RESULT_FILE,
        build_args=dict(spec.build_args),
        targets=(spec.target,) if spec.target else (),
        insecure_registries=tuple(dict.fromkeys([*settings.insecure_registries, *insecure])),
        registry_mirrors=settings.registry_mirrors,
        isolation=security.isolation_of(spec.executor or Executor(), settings).lower(),
        log_format="text",
    )


def _credentials(spec: ImageBuildSpec) -> list[Manifest]:
    """Hand over Secrets by purpose: _PULL_1, _PULL_2, ... for bases, _PUSH_N for the N-th destination."""
    pull = {f"PULL_{n}": secret.name for n, secret in enumerate(spec.pull_secret_refs, 1)}
    push = {
        f"PUSH_{n}": to.push_secret_ref.name
        for n, to in enumerate(spec.destinations, 1)
        if to.push_secret_ref
    }
    return [
        {
            "name": f"DOCKER_AUTH_CONFIG_{purpose}",
            "valueFrom": {"secretKeyRef": {"name": secret, "key": ".dockerconfigjson"}},
        }
        for purpose, secret in (pull | push).items()
    ]


def _volumes(name: str, inputs: Inputs, run: str) -> list[Manifest]:
    context: Manifest = {"emptyDir": {}}
    if inputs.context is not None:
        context = {"configMap": {"name": context_name(name, run)}}
    return [
        {"name": "dockerfile", "configMap": {"name": dockerfile_name(name, run)}},
        {"name": "context", **context},
    ]


def _config_map(metadata: Manifest, data: ConfigMapData) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata,
        "immutable": True,
        "data": dict(data.text),
        "binaryData": dict(data.binary),
    }


def _metadata(build: ImageBuild, run: str, name: str) -> Manifest:
    return {
        "name": name,
        "namespace": build.key.namespace,
        "labels": {
            LABEL_MANAGER: MANAGER,
            LABEL_BUILD: label_value(build.key.name),
            LABEL_RUN: run,
        },
        "ownerReferences": [
            {
                "apiVersion": API_VERSION,
                "kind": KIND,
                "name": build.key.name,
                "uid": build.uid,
                "controller": True,
            }
        ],
    }
