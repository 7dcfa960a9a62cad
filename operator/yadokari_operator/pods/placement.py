"""What a spec says of the pod itself: where it may run, by what, with which volumes beside its own."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from yadokari_api.pod.executor import Executor, Volume
from yadokari_api.pod.platforms import node_architecture
from yadokari_api.references import SecretReference
from yadokari_api.spec import ImageBuildSpec

Manifest = dict[str, Any]

_OS = "kubernetes.io/os"
_ARCHITECTURE = "kubernetes.io/arch"

# Names of volumes are one's own here: those of the operator's volumes have no such beginning.
PREFIX = "user-"


def on_nodes_of(platform: str, spec: ImageBuildSpec) -> ImageBuildSpec:
    """Have a spec choose nodes of a platform's architecture, if there is one and it does not name another."""
    nodes = {_OS: "linux", _ARCHITECTURE: node_architecture(platform)} if platform else {}
    return _on_nodes(nodes, spec)


def on_nodes_as(chosen: Mapping[str, str], spec: ImageBuildSpec) -> ImageBuildSpec:
    """Have a spec choose nodes of the architecture that a pod chose, if it did and that names no other."""
    return _on_nodes({key: chosen[key] for key in (_OS, _ARCHITECTURE) if key in chosen}, spec)


def _on_nodes(nodes: Mapping[str, str], spec: ImageBuildSpec) -> ImageBuildSpec:
    if not nodes:
        return spec
    executor = spec.executor or Executor()
    chosen = executor.model_copy(update={"node_selector": {**nodes, **executor.node_selector}})
    return spec.model_copy(update={"executor": chosen})


def placement(executor: Executor, of_bases: Sequence[SecretReference] = ()) -> Manifest:
    """Write where a pod may run, and by what; the node pulls a base with the Secrets `of_bases`."""
    secrets = [*executor.image_pull_secrets, *of_bases]
    fields: Manifest = {
        "imagePullSecrets": _dumped(tuple({it.name: it for it in secrets}.values())),
        "serviceAccountName": executor.service_account_name,
        "nodeSelector": dict(executor.node_selector),
        "tolerations": _dumped(executor.tolerations),
        "affinity": _dump(executor.affinity) if executor.affinity else None,
        "topologySpreadConstraints": _dumped(executor.topology_spread_constraints),
        "runtimeClassName": executor.runtime_class_name,
        "priorityClassName": executor.priority_class_name,
    }
    return {name: value for name, value in fields.items() if value}


def user_volumes(executor: Executor) -> list[Manifest]:
    """Write the volumes that a spec adds."""
    return [_volume(volume) for volume in executor.volumes]


def user_mounts(executor: Executor) -> list[Manifest]:
    """Write where they are."""
    return [_dump(mount) | {"name": PREFIX + mount.name} for mount in executor.volume_mounts]


def _volume(volume: Volume) -> Manifest:
    return _dump(volume) | {"name": PREFIX + volume.name}


def _dumped(models: tuple[BaseModel, ...]) -> list[Manifest]:
    return [_dump(model) for model in models]


def _dump(model: BaseModel) -> Manifest:
    """Write as a pod has it: with the lists and maps that hold something, and the values that are given."""
    written: Manifest = _pruned(model.model_dump(by_alias=True, exclude_none=True))
    return written


def _pruned(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _pruned(it) for key, it in value.items() if it != ()}
    return [_pruned(it) for it in value] if isinstance(value, list | tuple) else value
