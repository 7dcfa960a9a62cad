"""What the cluster can do that settings leave open; found out once."""

import logging
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from yadokari_operator.cluster.resources import Cluster, RejectedError
from yadokari_operator.pods import runtime
from yadokari_operator.pods.observed import Pod
from yadokari_operator.settings import Settings

logger = logging.getLogger(__name__)

STABLE = 36
"""From Kubernetes 1.36 on each API server takes image volumes."""
FOLDERS = 33
"""From Kubernetes 1.33 on a folder of one can be mounted, where a feature gate lets it."""


class Abilities:
    """What the cluster can do, as far as it is known.

    An API server says whether it takes image volumes; that nodes cannot mount them shows when one does not.
    The latter counts for the namespace alone: whoever may make builds in it has a say in that.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._image_volumes: bool | None = None
        self._refused: set[str] = set()
        self._without: set[str] = set()

    def learn(self, namespace: str, pods: Iterable[Pod], now: datetime) -> None:
        """Learn from pods of a namespace that a node could not start."""
        for pod in pods:
            if pod.lacks_runtime(now) and namespace not in self._without:
                self._without.add(namespace)
                logger.warning(
                    "%s: node %s could not mount an image volume for pod %s: from now on executors of this"
                    " namespace get their own files from an init container, where Auto leaves it open",
                    namespace,
                    pod.node,
                    pod.name,
                )

    def decided(self, settings: Settings, namespace: str) -> Settings:
        """Give the settings with what they leave open decided for a namespace. Raises `ClusterError`."""
        if settings.executor_runtime != "Auto":
            return settings
        has_volumes = namespace not in self._without and self._takes_image_volumes(settings, namespace)
        return replace(settings, executor_runtime="ImageVolume" if has_volumes else "InitContainer")

    def _takes_image_volumes(self, settings: Settings, namespace: str) -> bool:
        if self._image_volumes is None and namespace not in self._refused:
            try:
                self._image_volumes = self._asked(settings.executor_image, namespace)
                logger.info("the cluster has image volumes: %s", "yes" if self._image_volumes else "no")
            except RejectedError as error:
                self._refused.add(namespace)
                logger.warning(
                    "%s: whether the cluster has image volumes cannot be tried here, so until that is known"
                    " executors of this namespace get their own files from an init container: %s",
                    namespace,
                    error,
                )
        return bool(self._image_volumes)

    def _asked(self, image: str, namespace: str) -> bool:
        minor = self._cluster.minor_version()
        if not FOLDERS <= minor < STABLE:
            return minor >= STABLE
        # A server whose feature gate is closed leaves the field out of what it makes.
        made = self._cluster.tried(namespace, runtime.probe(image))
        return any("image" in volume for volume in made["spec"].get("volumes") or [])
