"""Another attempt of a build whose inputs are known no more: what it is made of is taken from the pod before.

The API server gives a pod with what it and others have put into it, such as a proxy's container: they put it
into the next one as well, so what is ours is taken alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from yadokari_api.keys import CONTAINER
from yadokari_operator.pods.given.caches import VOLUME as CACHES
from yadokari_operator.pods.given.sources import VOLUME as CONTEXT
from yadokari_operator.pods.lodging import unlodged
from yadokari_operator.pods.placement import PREFIX
from yadokari_operator.pods.runtime import PREPARING

Manifest = dict[str, Any]

_OF_CONTAINERS = (
    *("name", "image", "command", "args", "workingDir", "env", "envFrom", "securityContext"),
    *("terminationMessagePolicy", "volumeMounts"),
)
_PLATFORM = "--custom-platform="
_VOLUMES = ("runtime", "work", "dockerfile", "certificates", CONTEXT, CACHES)


@dataclass(frozen=True, slots=True)
class Makings:
    """What an attempt's pod is made of, as far as that makes the image."""

    init_containers: tuple[Manifest, ...] = ()
    containers: tuple[Manifest, ...] = ()
    volumes: tuple[Manifest, ...] = ()

    @classmethod
    def parse(cls, resource: Mapping[str, Any]) -> "Makings":
        """Read them from a pod as the API server gives it."""
        spec = resource.get("spec") or {}
        return cls(
            _containers(spec.get("initContainers"), PREPARING),
            _containers(spec.get("containers"), CONTAINER),
            tuple(volume for volume in spec.get("volumes") or () if _is_ours(volume["name"])),
        )

    def for_platform(self, platform: str) -> "Makings":
        """Have the image built for another platform: all else that makes it is the same for all of them."""
        return replace(self, containers=tuple(_for_platform(it, platform) for it in self.containers))

    def ordinary(self) -> "Makings":
        """Have it built in a container of the executor image, and in no base's own."""
        images = [it["image"] for it in self.init_containers]
        images += [
            it["image"]["reference"] for it in self.volumes if it["name"] == "runtime" and "image" in it
        ]
        if not images:
            return self
        return replace(self, containers=tuple(unlodged(it, images[0]) for it in self.containers))

    def put_into(self, pod: Manifest) -> Manifest:
        """Give a pod's manifest that is made of this; all else, resources among it, stays as it is."""
        resources = pod["spec"]["containers"][0]["resources"]
        spec = {name: value for name, value in pod["spec"].items() if name != "initContainers"}
        first = [it | {"resources": resources} for it in self.init_containers]
        spec |= {"initContainers": first} if first else {}
        spec["containers"] = [it | {"resources": resources} for it in self.containers]
        spec["volumes"] = list(self.volumes)
        return {**pod, "spec": spec}


def _for_platform(container: Manifest, platform: str) -> Manifest:
    """Name another platform where ours is named; what a spec adds to the arguments comes after it."""
    args = list(container.get("args") or ())
    ours = next((number for number, it in enumerate(args) if it.startswith(_PLATFORM)), None)
    if ours is not None:
        args[ours] = _PLATFORM + platform
    return container | {"args": args}


def _containers(found: Any, name: str) -> tuple[Manifest, ...]:
    return tuple(_container(container) for container in found or () if container["name"] == name)


def _container(found: Mapping[str, Any]) -> Manifest:
    made = {name: found[name] for name in _OF_CONTAINERS if name in found}
    mounts = [mount for mount in made.get("volumeMounts") or () if _is_ours(mount["name"])]
    return made | {"volumeMounts": mounts}


def _is_ours(volume: str) -> bool:
    return volume in _VOLUMES or volume.startswith(PREFIX)
