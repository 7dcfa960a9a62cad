"""Reconcile one ImageBuild: observe it, decide, act, report."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime

from yadokari_api.imagebuild import ImageBuild
from yadokari_api.keys import LABEL_BUILD, Key
from yadokari_api.spec import priority_of, pushed_to, referenced_config_maps
from yadokari_operator.cluster.api import ClusterError
from yadokari_operator.cluster.resources import Cluster, RejectedError
from yadokari_operator.events import Event, event_manifest
from yadokari_operator.handlers.abilities import Abilities
from yadokari_operator.handlers.admission import Admission
from yadokari_operator.handlers.references import References
from yadokari_operator.handlers.rivals import Rivals
from yadokari_operator.pods.errands.observed import parse_errand
from yadokari_operator.pods.files import ConfigMapData
from yadokari_operator.pods.names import label_value, part_in
from yadokari_operator.pods.observed import (
    OwnedConfigMap,
    build_of,
    is_stuck,
    known_pods,
    parse_owned_config_map,
    parse_pod,
)
from yadokari_operator.reconcile.decide import held, reconcile, refused
from yadokari_operator.reconcile.decision import Action, Create, Decision, Delete, Observed
from yadokari_operator.reports import format_time
from yadokari_operator.settings import Settings
from yadokari_operator.turns import Limits, Slot, Waiting

logger = logging.getLogger(__name__)


class Controller:
    """Brings the cluster to what ImageBuilds ask for.

    `references` is told which ConfigMaps they take, `changed` which others are to be looked at.
    """

    def __init__(
        self,
        cluster: Cluster,
        settings: Settings,
        clock: Callable[[], datetime],
        references: References,
        changed: Callable[[Key], None],
    ) -> None:
        self._cluster = cluster
        self._references = references
        self._rivals = Rivals()
        self._changed = changed
        limits = Limits(settings.max_builds, settings.max_builds_per_namespace)
        self._admission = Admission(limits, self._running, changed)
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
            self._note_places(key, frozenset())
            self._admission.rests(key)
            return None
        # Before they are read: what changes after that is an event for this ImageBuild.
        self._references.replace(key, referenced_config_maps(build.spec))
        self._note_places(key, pushed_to(build.spec))
        now = self._clock()
        observed = self._observe(build)
        settings = self._abilities.decided(self._settings)
        decision = self._admitted(observed, reconcile(observed, settings, now), now)
        decision = self._act(observed, decision, now)
        if decision.status != build.status:
            self._cluster.write_status(resource, decision.status)
        if decision.event is not None:
            self._tell(build, decision.event, now)
        return decision.look_again

    def _running(self) -> Iterator[Slot]:
        """Tell which pods have not ended."""
        for page in self._cluster.unfinished_pods(self._settings.namespace).pages():
            for metadata in page.items:
                key = build_of(metadata)
                yield Slot(key, part_in(key.name, metadata["name"]))

    def _note_places(self, key: Key, places: frozenset[str]) -> None:
        for rival in self._rivals.replace(key, places):
            self._changed(rival)

    def _observe(self, build: ImageBuild) -> Observed:
        namespace = build.key.namespace
        selector = f"{LABEL_BUILD}={label_value(build.key.name)}"
        found = self._cluster.pods(namespace, selector)
        pods = [parse_pod(pod, build) for pod in found]
        errands = [parse_errand(pod, build) for pod in found]
        names = referenced_config_maps(build.spec)
        sources = {name: self._cluster.config_map(namespace, name) for name in names}
        return Observed(
            build=build,
            pods=tuple(pod for pod in pods if pod is not None),
            errands=tuple(errand for errand in errands if errand is not None),
            config_maps=tuple(self._owned_config_maps(build, selector)),
            sources={name: ConfigMapData.parse(it) for name, it in sources.items() if it is not None},
            rivals=self._rivals.of(build.key),
            taken=frozenset(pod["metadata"]["name"] for pod in found if is_stuck(pod, build)),
        )

    def _owned_config_maps(self, build: ImageBuild, selector: str) -> Iterator[OwnedConfigMap]:
        for page in self._cluster.config_maps(build.key.namespace, selector).pages():
            for metadata in page.items:
                owned = parse_owned_config_map({"metadata": metadata}, build)
                if owned is not None:
                    yield owned

    def _admitted(self, observed: Observed, decision: Decision, now: datetime) -> Decision:
        """Let a build begin when it is its turn."""
        key, run = observed.build.key, decision.unacted.run
        taken = _slots(observed)
        if decision.begins is None:
            self._admission.runs(key, taken)
            return decision
        since, priority = run.queued_at or format_time(now), priority_of(observed.build.spec)
        place = self._admission.ask(Waiting(Slot(key, decision.begins), since, priority), taken)
        return decision if place is None else held(observed, decision, place, now)

    def _act(self, observed: Observed, decision: Decision, now: datetime) -> Decision:
        build = observed.build
        made: list[str] = []
        try:
            for action in decision.actions:
                made += self._do(build, action)
        except RejectedError as error:
            self._admission.runs(build.key, _slots(observed))
            decision = refused(observed, decision, error.reason, str(error), now)
        known = known_pods(build.status.pod_uids, [*observed.pods, *observed.errands], made)
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


def _slots(observed: Observed) -> list[Slot]:
    """Tell which pods of a build have not ended."""
    key = observed.build.key
    return [Slot(key, pod.part) for pod in observed.pods if pod.finished is None]
