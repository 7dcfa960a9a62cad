"""Reconcile one ImageBuild: observe it, decide, act, report."""

import logging
from collections.abc import Callable
from datetime import datetime

from yadokari_api.imagebuild import ImageBuild, belongs_to
from yadokari_api.keys import LABEL_BUILD, Key
from yadokari_api.spec import referenced_config_maps
from yadokari_operator.cluster import Cluster, RejectedError
from yadokari_operator.pods.names import label_value
from yadokari_operator.pods.observed import parse_pod
from yadokari_operator.pods.render import ConfigMapData
from yadokari_operator.reconcile import (
    Action,
    Create,
    Decision,
    DeleteConfigMap,
    DeletePod,
    Observed,
    reconcile,
    rejected,
)
from yadokari_operator.settings import Settings
from yadokari_operator.status import event_manifest

logger = logging.getLogger(__name__)


class Controller:
    """Brings the cluster to what ImageBuilds ask for."""

    def __init__(self, cluster: Cluster, settings: Settings, clock: Callable[[], datetime]) -> None:
        self._cluster = cluster
        self._settings = settings
        self._clock = clock

    def reconcile(self, key: Key) -> float | None:
        """Do what is due for an ImageBuild; tells in how many seconds to look again, if no event comes first.

        Raises `ClusterError`; all of it can then be done again.
        """
        resource = self._cluster.image_build(key)
        if resource is None:
            return None
        build = ImageBuild.parse(resource)
        if build.deleted:
            return None
        now = self._clock()
        decision = self._act(build, reconcile(self._observe(build), self._settings, now), now)
        # The event goes first: after a crash in between, it is not made again and the status still is.
        if decision.event is not None:
            logger.info("%s: %s: %s", key, decision.event.reason, decision.event.message)
            self._cluster.record(event_manifest(build, decision.event, now))
        if decision.status != build.status:
            self._cluster.write_status(resource, decision.status)
        return decision.look_again

    def _observe(self, build: ImageBuild) -> Observed:
        namespace = build.key.namespace
        selector = f"{LABEL_BUILD}={label_value(build.key.name)}"
        pods = [pod for pod in self._cluster.pods(namespace, selector) if belongs_to(pod, build)]
        names = referenced_config_maps(build.spec)
        maps = {name: self._cluster.config_map(namespace, name) for name in names}
        return Observed(
            build,
            tuple(parse_pod(pod) for pod in pods),
            {name: ConfigMapData.parse(found) for name, found in maps.items() if found is not None},
        )

    def _act(self, build: ImageBuild, decision: Decision, now: datetime) -> Decision:
        try:
            for action in decision.actions:
                self._do(build, action)
        except RejectedError as error:
            return rejected(build, decision, str(error), now)
        return decision

    def _do(self, build: ImageBuild, action: Action) -> None:
        match action:
            case Create(manifest):
                self._cluster.create(build, manifest)
            case DeletePod(name):
                self._cluster.delete("Pod", build.key.namespace, name)
            case DeleteConfigMap(name):
                self._cluster.delete("ConfigMap", build.key.namespace, name)
