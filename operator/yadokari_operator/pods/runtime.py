"""The executor's own files in its pod: mounted read-only, so that no step can change what builds.

They come from the executor image, by an image volume where the cluster has those, else from a volume that an
init container of that image fills. What builds write is a volume, too.
"""

import re
from collections.abc import Mapping
from typing import Any, Literal

from yadokari_api.pod.executor import Executor
from yadokari_contract.runtime import HOME, WRITTEN
from yadokari_operator.pods.security import WITHOUT_STEPS
from yadokari_operator.settings import Settings

Manifest = dict[str, Any]
Way = Literal["ImageVolume", "InitContainer"]

PREPARING = "runtime"
"""The init container."""

_VOLUME = "/runtime"

ADVICE = (
    "the node cannot mount the executor's own files from its image (a container runtime before containerd 2.2"
    " or CRI-O 1.33, or a cluster without the feature gate ImageVolume): set executor.runtime: InitContainer"
)
# What nodes say of a volume from an image: that it cannot be mounted (containerd 2.2), that there is nothing
# to mount (containerd 2.0), that what was mounted lacks a folder to mount on (containerd 2.1, which mounts
# the whole image) or the program (where the volume comes empty).
_UNMOUNTED = re.compile(
    r"image.?volume|mkdir : no such|/yadokari/(?:work|tmp|input)\b.*read-only file system|exec: \"/yadokari/",
    re.IGNORECASE | re.DOTALL,
)


def way_of(executor: Executor, settings: Settings) -> Way:
    """Tell how the runtime comes into the pod: what the spec says before what the settings say.

    Settings that leave it open are those of a cluster of which nothing is known.
    """
    asked = executor.runtime if executor.runtime not in (None, "Auto") else settings.executor_runtime
    return "ImageVolume" if asked == "ImageVolume" else "InitContainer"


def is_unmounted(pod: Mapping[str, Any], state: Mapping[str, Any]) -> bool:
    """Whether the executor, whose container is in this state, could not be started for want of its own files.

    That is so only where a volume from its image is to bring them.
    """
    if _is_prepared(pod):
        return False
    waiting, ended = state.get("waiting") or {}, state.get("terminated") or {}
    said = ended.get("message") if ended.get("reason") == "StartError" else waiting.get("message")
    return _UNMOUNTED.search(said or "") is not None


def mounting_since(pod: Mapping[str, Any]) -> str | None:
    """Tell since when a node is about to mount the executor's own files, with the other volumes.

    A kubelet without the feature gate never gets there, of which the pod's status has no more to say. That
    of one that goes, and whose sandbox is gone before it, says the same.
    """
    if pod["metadata"].get("deletionTimestamp"):
        return None
    status = pod.get("status") or {}
    conditions = status.get("conditions") or []
    begins = (c.get("status") for c in conditions if c.get("type") == "PodReadyToStartContainers")
    if _is_prepared(pod) or next(begins, None) != "False" or status.get("phase") != "Pending":
        return None
    since: str | None = status.get("startTime")
    return since


def _is_prepared(pod: Mapping[str, Any]) -> bool:
    prepared = (pod.get("spec") or {}).get("initContainers") or []
    return any(container.get("name") == PREPARING for container in prepared)


def volumes(way: Way, image: str) -> list[Manifest]:
    """Give the volumes with the runtime and with what builds write."""
    source: Manifest = {"image": {"reference": image}} if way == "ImageVolume" else {"emptyDir": {}}
    return [{"name": "runtime", **source}, {"name": "work", "emptyDir": {}}]


def mounts(way: Way) -> list[Manifest]:
    """Give the mounts of the executor's container, to come before those that lie in them."""
    part = {"subPath": HOME.lstrip("/")} if way == "ImageVolume" else {}
    return [
        {"name": "runtime", "mountPath": HOME, "readOnly": True, **part},
        *({"name": "work", "mountPath": f"{HOME}/{name}", "subPath": name} for name in WRITTEN),
    ]


def init_containers(way: Way, image: str, resources: Manifest) -> list[Manifest]:
    """Give the container that fills the volume; it may do nothing but that.

    It gets the resources of the executor: a pod is given the higher of the two, and a quota may want some.
    """
    if way == "ImageVolume":
        return []
    return [
        {
            "name": PREPARING,
            "image": image,
            "args": ["copy-runtime", _VOLUME],
            "resources": resources,
            "securityContext": dict(WITHOUT_STEPS),
            "terminationMessagePolicy": "FallbackToLogsOnError",
            "volumeMounts": [{"name": "runtime", "mountPath": _VOLUME}],
        }
    ]


def probe(image: str) -> Manifest:
    """Give a pod with an image volume, for an API server to say what it would make of it."""
    security = init_containers("InitContainer", image, {})[0]["securityContext"]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"generateName": "yadokari-"},
        "spec": {
            "automountServiceAccountToken": False,
            "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{"name": "executor", "image": image, "securityContext": security}],
            "volumes": volumes("ImageVolume", image),
        },
    }
