"""Reconcile one ImageBuild: observe it, decide, act, report."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime

from yadokari_api.imagebuild import ImageBuild
from yadokari_api.keys import LABEL_BUILD, Key
from yadokari_api.spec import referenced_config_maps
from yadokari_operator.cluster.api import ClusterError
from yadokari_operator.cluster.resources import Cluster, RejectedError
from yadokari_operator.events import Event, event_manifest
from yadokari_operator.handlers.abilities import Abilities
from yadokari_operator.handlers.references import References
from yadokari_operator.pods.inputs import ConfigMapData
from yadokari_operator.pods.names import label_value
from yadokari_operator.pods.observed import (
    OwnedConfigMap,
    is_stuck,
    known_pods,
    parse_owned_config_map,
    parse_pod,
)
from yadokari_operator.reconcile.decide import reconcile, refused
from yadokari_operator.reconcile.decision import Action, Create, Decision, Delete, Observed
from yadokari_operator.settings import Settings

logger = logging.getLogger(__name__)


class Controller:
    """Brings the cluster to what ImageBuilds ask for."""

    def __init__(
        self, cluster: Cluster, references: References, settings: Settings, clock: Callable[[], datetime]
    ) -> None:
        self._cluster = cluster
        self._references = references
        self._settings = settings
        self._clock = clock
        self._abilities = Abilities(cluster)

    def reconcile(self, key: Key) -> float | None:
        """Do what is due for an ImageBuild; tells in how many seconds to look again, if no event comes first.

        Raises `ClusterError`; all of it can then be done again.
        """
        resource = self._cluster.image_build(key)
        build = None if resource is None else ImageBuild.parse(resource)
        if resource is None or build is None or build.deleted:
            self._references.replace(key, ())
            return None
        # Before they are read: what changes after that is an event for this ImageBuild.
        self._references.replace(key, referenced_config_maps(build.spec))
        now = self._clock()
        settings = self._abilities.decided(self._settings)
        observed = self._observe(build)
        decision = self._act(observed, reconcile(observed, settings, now), now)
        if decision.status != build.status:
            self._cluster.write_status(resource, decision.status)
        if decision.event is not None:
            self._tell(build, decision.event, now)
        return decision.look_again

    def _observe(self, build: ImageBuild) -> Observed:
        namespace = build.key.namespace
        selector = f"{LABEL_BUILD}={label_value(build.key.name)}"
        found = self._cluster.pods(namespace, selector)
        pods = [parse_pod(pod, build) for pod in found]
        names = referenced_config_maps(build.spec)
        sources = {name: self._cluster.config_map(namespace, name) for name in names}
        return Observed(
            build=build,
            pods=tuple(pod for pod in pods if pod is not None),
            config_maps=tuple(self._owned_config_maps(build, selector)),
            sources={name: ConfigMapData.parse(it) for name, it in sources.items() if it is not None},
            taken=frozenset(pod["metadata"]["name"] for pod in found if is_stuck(pod, build)),
        )

    def _owned_config_maps(self, build: ImageBuild, selector: str) -> Iterator[OwnedConfigMap]:
        for page in self._cluster.config_maps(build.key.namespace, selector).pages():
            for metadata in page.items:
                owned = parse_owned_config_map({"metadata": metadata}, build)
                if owned is not None:
                    yield owned

    def _act(self, observed: Observed, decision: Decision, now: datetime) -> Decision:
        build = observed.build
        made: list[str] = []
        try:
            for action in decision.actions:
                made += self._do(build, action)
        except RejectedError as error:
            decision = refused(build, decision, str(error), for_good=error.for_good, now=now)
        known = known_pods(build.status.pod_uids, observed.pods, made)
        return replace(decision, status=replace(decision.status, pod_uids=known))

    def _do(self, build: ImageBuild, action: Action) -> tuple[str, ...]:
        """Do what was decided; gives the UID of a pod that was made."""
        match action:
            case Create(manifest):
                uid = self._cluster.create(build, manifest)
                return (uid,) if manifest["kind"] == "Pod" else ()
            case Delete(kind, name, uid, version):
                self._cluster.delete(kind, build.key.namespace, name, uid, version)
                return ()

    def _tell(self, build: ImageBuild, event: Event, now: datetime) -> None:
        """Make an Event. That is a courtesy: the status, which says the same, was written before."""
        logger.info("%s: %s: %s", build.key, event.reason, event.message)
        try:
            self._cluster.record(event_manifest(build, event, now))
        except ClusterError as error:
            logger.warning("%s: no Event for %s: %s", build.key, event.reason, error)
