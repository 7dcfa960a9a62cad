"""The executor's own files in its pod: mounted read-only, so that no step can change what builds.

They come from the executor image, by an image volume where the cluster has those, else from a volume that an
init container of that image fills. What builds write is a volume, too.
"""

from typing import Any, Literal

from yadokari_api.pod.executor import Executor
from yadokari_operator.pods.security import WITHOUT_STEPS
from yadokari_operator.settings import Settings

Manifest = dict[str, Any]
Way = Literal["ImageVolume", "InitContainer"]

HOME = "/yadokari"
PREPARING = "runtime"
"""The init container."""

_VOLUME = "/runtime"
_WRITTEN = ("work", "tmp", "input")


def way_of(executor: Executor, settings: Settings) -> Way:
    """Tell how the runtime comes into the pod: what the spec says before what the settings say.

    Settings that leave it open are those of a cluster of which nothing is known.
    """
    asked = executor.runtime if executor.runtime not in (None, "Auto") else settings.executor_runtime
    return "ImageVolume" if asked == "ImageVolume" else "InitContainer"


def volumes(way: Way, image: str) -> list[Manifest]:
    """Give the volumes with the runtime and with what builds write."""
    source: Manifest = {"image": {"reference": image}} if way == "ImageVolume" else {"emptyDir": {}}
    return [{"name": "runtime", **source}, {"name": "work", "emptyDir": {}}]


def mounts(way: Way) -> list[Manifest]:
    """Give the mounts of the executor's container, to come before those that lie in them."""
    part = {"subPath": HOME.lstrip("/")} if way == "ImageVolume" else {}
    return [
        {"name": "runtime", "mountPath": HOME, "readOnly": True, **part},
        *({"name": "work", "mountPath": f"{HOME}/{name}", "subPath": name} for name in _WRITTEN),
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
