"""What the cluster can do that settings leave open; found out once."""

import logging
from dataclasses import replace

from yadokari_operator.cluster.resources import Cluster
from yadokari_operator.settings import Settings

logger = logging.getLogger(__name__)

IMAGE_VOLUMES = 36
"""Image volumes are stable from Kubernetes 1.36 on; its nodes have what mounts a folder of an image."""


class Abilities:
    """What the cluster can do, as far as it is known."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._minor_version: int | None = None

    def decided(self, settings: Settings) -> Settings:
        """Give the settings with what they leave open decided. Raises `ClusterError`."""
        if settings.executor_runtime != "Auto":
            return settings
        if self._minor_version is None:
            self._minor_version = self._cluster.minor_version()
            logger.info("the cluster is of Kubernetes 1.%s", self._minor_version)
        has_volumes = self._minor_version >= IMAGE_VOLUMES
        return replace(settings, executor_runtime="ImageVolume" if has_volumes else "InitContainer")
