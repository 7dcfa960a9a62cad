"""Reconcile one ImageBuild: observe it, decide, act, report."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from yadokari_api.imagebuild import ImageBuild
from yadokari_api.keys import LABEL_BUILD, Key
from yadokari_api.reasons import StateReason
from yadokari_api.spec import (
    ImageBuildSpec,
    priority_of,
    pushed_to,
    referenced_config_maps,
    referenced_flux_source,
)
from yadokari_api.status import Status
from yadokari_contract.progress import Progress
from yadokari_operator.cluster.api import ClusterError
from yadokari_operator.cluster.resources import Cluster, RejectedError
from yadokari_operator.events import Event, event_manifest
from yadokari_operator.handlers.abilities import Abilities
from yadokari_operator.handlers.admission import Admission
from yadokari_operator.handlers.memory import Memory
from yadokari_operator.handlers.references import Referred
from yadokari_operator.handlers.telling import Telling
from yadokari_operator.pods.errands.observed import ErrandPod, parse_errand
from yadokari_operator.pods.errands.resolve import resolve_pod, way_of_asking
from yadokari_operator.pods.inputs.artifact import Artifact, not_allowed, not_found, parse_artifact
from yadokari_operator.pods.inputs.files import ConfigMapData
from yadokari_operator.pods.inputs.missing import Missing
from yadokari_operator.pods.names import label_value, part_in
from yadokari_operator.pods.observed import (
    OwnedConfigMap,
    Pod,
    Standing,
    build_of,
    is_stuck,
    known_pods,
    node_selector,
    parse_owned_config_map,
    parse_pod,
)
from yadokari_operator.pods.outcome import Running
from yadokari_operator.pods.strays import parse_stray
from yadokari_operator.policies import Violation
from yadokari_operator.reconcile.attempts import allowed
from yadokari_operator.reconcile.decide import held, reconcile, refused
from yadokari_operator.reconcile.decision import Action, Answer, Create, Decision, Delete, Observed
from yadokari_operator.reconcile.rebuilds.rebuild import answers_of, asking, is_over
from yadokari_operator.reports import Reconciled, format_time
from yadokari_operator.settings import Settings
from yadokari_operator.turns import Limits, Pools, Slot, Waiting

logger = logging.getLogger(__name__)


_FORBIDDEN = 403


class Controller:
    """Brings the cluster to what ImageBuilds ask for.

    `memory` is told what was seen of them, `telling` what happens, `changed` which of them to look at, too.
    """

    def __init__(
        self,
        cluster: Cluster,
        settings: Settings,
        clock: Callable[[], datetime],
        memory: Memory,
        telling: Telling,
        changed: Callable[[Key], None],
    ) -> None:
        self._cluster = cluster
        self._memory = memory
        self._telling = telling
        self._changed = changed
        self._limits = Limits(
            settings.max_builds, settings.max_builds_per_namespace, settings.max_builds_on_nodes
        )
        self._admission = Admission(self._limits, self._running, changed)
        self._settings = settings
        self._clock = clock
        self._abilities = Abilities(cluster)

    def reconcile(self, key: Key) -> float | None:
        """Do what is due for an ImageBuild; tells in how many seconds to look again, if no event comes first.

        Raises `ClusterError`; all of it can then be done again.
        """
        if self._settings.ignores(key.namespace):
            return None
        with self._telling.metrics.reconciling():
            return self._reconcile(key)

    def _reconcile(self, key: Key) -> float | None:
        resource = self._cluster.image_build(key)
        build = None if resource is None else ImageBuild.parse(resource)
        if resource is None or build is None or build.deleted:
            self._forget(key)
            return None
        # Before they are read: what changes after that is an event for this ImageBuild.
        self._memory.references.replace(key, _referred(build))
        self._concern(self._memory.rivals.replace(key, pushed_to(build.spec)))
        now = self._clock()
        observed = self._observe(build, now)
        self._abilities.learn(key.namespace, observed.pods, now)
        settings = self._abilities.decided(self._settings, key.namespace)
        decision = reconcile(observed, settings, now)
        if decision.makes_pods:
            observed = replace(observed, policies=self._memory.policies.of(key))
            decision = reconcile(observed, settings, now)
        decision = self._admitted(observed, decision, now)
        asked = self._ask(observed, decision, settings, now)
        if decision.status.reason != StateReason.POLICY_VIOLATION:
            self._memory.policies.release(key)
        decision = self._act(observed, decision, now, asked)
        decision = replace(decision, status=self._telling.marked(build, decision.status))
        if decision.status != build.status:
            version = self._cluster.write_status(resource, decision.status)
            if not decision.actions and _differ_by_progress_alone(decision.status, build.status):
                self._memory.echoes.expect(key, version)
        self._telling.stored(build, decision.status, now)
        seen = Reconciled(decision.status, now, self._clock())
        self._telling.reconciled(build, (*observed.pods, *observed.errands), seen)
        for event in decision.events:
            self._tell(build, event, now)
        return decision.look_again

    def _running(self) -> Iterator[tuple[Slot, Pools]]:
        """Tell which pods have not ended."""
        for pod in self._cluster.unfinished_pods(self._settings.namespace):
            key = build_of(pod["metadata"])
            part = part_in(key.name, pod["metadata"]["name"])
            yield Slot(key, part), self._limits.pools([node_selector(pod)])

    def _forget(self, key: Key) -> None:
        self._concern(self._memory.forget(key))
        self._admission.rests(key)
        self._telling.gone(key)

    def _concern(self, others: Iterable[Key]) -> None:
        """Have other ImageBuilds looked at."""
        for key in others:
            self._changed(key)

    def _observe(self, build: ImageBuild, now: datetime) -> Observed:
        namespace = build.key.namespace
        selector = f"{LABEL_BUILD}={label_value(build.key.name)}"
        found = self._cluster.pods(namespace, selector)
        pods = tuple(pod for pod in (parse_pod(it, build) for it in found) if pod is not None)
        errands = [errand for pod in found if (errand := parse_errand(pod, build)) is not None]
        self._learn(build, errands, now)
        names = referenced_config_maps(build.spec)
        sources = {name: self._cluster.config_map(namespace, name) for name in names}
        return Observed(
            build=build,
            pods=pods,
            errands=tuple(errands),
            strays=tuple(stray for pod in found if (stray := parse_stray(pod, build)) is not None),
            config_maps=tuple(self._owned_config_maps(build, selector)),
            sources={name: ConfigMapData.parse(it) for name, it in sources.items() if it is not None},
            artifact=self._artifact(build),
            answers=self._memory.asking.answers(build.key),
            rivals=self._memory.rivals.of(build.key),
            taken=frozenset(pod["metadata"]["name"] for pod in found if is_stuck(pod, build)),
            progress=self._progress(build.key, pods),
        )

    def _progress(self, key: Key, pods: Sequence[Pod]) -> Mapping[str, Progress]:
        """Tell how far the pods have come that run; but for moments at most one for each platform does."""
        running = [it for it in pods if it.standing is Standing.OURS and isinstance(it.outcome, Running)]
        in_order = sorted(running, key=lambda it: (it.part, it.created, it.attempt))
        latest = {it.part: it for it in in_order}.values()
        return self._memory.following.progress(key, {it.name: it.uid for it in latest})

    def _owned_config_maps(self, build: ImageBuild, selector: str) -> Iterator[OwnedConfigMap]:
        for page in self._cluster.config_maps(build.key.namespace, selector).pages():
            for metadata in page.items:
                owned = parse_owned_config_map({"metadata": metadata}, build)
                if owned is not None:
                    yield owned

    def _admitted(self, observed: Observed, decision: Decision, now: datetime) -> Decision:
        """Let a build begin when it is its turn."""
        key, run = observed.build.key, decision.unacted.run
        running = self._slots(observed)
        if decision.begins is None:
            self._admission.runs(key, running)
            return decision
        pools = self._limits.pools(map(node_selector, decision.pods))
        since, priority = run.queued_at or format_time(now), priority_of(observed.build.spec)
        waiting = Waiting(Slot(key, decision.begins), since, priority, pools)
        place = self._admission.ask(waiting, running)
        return decision if place is None else held(observed, decision, place, now)

    def _slots(self, observed: Observed) -> dict[Slot, Pools]:
        """Tell which pods of a build have not ended."""
        running = (pod for pod in observed.pods if pod.finished is None)
        key = observed.build.key
        return {Slot(key, pod.part): self._limits.pools([pod.node_selector]) for pod in running}

    def _artifact(self, build: ImageBuild) -> Artifact | Missing | None:
        """Read the artifact of the source of Flux that a build names, if it names one."""
        source = referenced_flux_source(build.spec)
        if source is None:
            return None
        try:
            found = self._cluster.flux_source(source.kind, Key(build.key.namespace, source.name))
        except ClusterError as error:
            if error.status == _FORBIDDEN:
                return not_allowed(source, str(error))
            raise
        if found is None:
            return not_found(source, served=self._cluster.serves_flux(source.kind))
        return parse_artifact(source, found)

    def _learn(self, build: ImageBuild, errands: Iterable[ErrandPod], now: datetime) -> None:
        """Note what the latest pod has found out that asked, and have those looked at that want to know.

        Others that are still there were told of before, and could not go.
        """
        latest = max(asking(errands), key=lambda it: (it.created, it.number), default=None)
        if latest is None or not is_over(latest, now):
            return
        found = answers_of(latest)
        others = (
            self._memory.asking.failed(build.key, found)
            if isinstance(found, Answer)
            else self._memory.asking.learnt(build.key, found)
        )
        self._concern(others)

    def _ask(
        self, observed: Observed, decision: Decision, settings: Settings, now: datetime
    ) -> tuple[str, ...]:
        """Have a pod ask for what is due, unless one does already; gives its UID."""
        build, wants = observed.build, decision.wants
        if not wants:
            self._memory.asking.note(build.key, "", ())
            return ()
        spec = ImageBuildSpec.model_validate(build.spec)
        self._memory.asking.note(build.key, way_of_asking(build, spec, settings), wants)
        is_out = any(not is_over(errand, now) for errand in asking(observed.errands))
        if is_out or all(want.due > now for want in wants):
            return ()
        names = self._memory.asking.batch(build.key, now)
        if not names:
            return ()
        # Its pod is one of the build's, too.
        ruled = allowed(replace(observed, policies=self._memory.policies.of(build.key)), spec)
        if isinstance(ruled, Violation):
            return self._unasked(build, f"{StateReason.POLICY_VIOLATION}: {ruled.message}", now)
        try:
            taken = {*observed.taken, *(errand.name for errand in observed.errands)}
            return (self._cluster.create(build, resolve_pod(build, ruled, settings, names, taken)),)
        except RejectedError as error:
            return self._unasked(build, f"{error.reason}: {error}", now)

    def _unasked(self, build: ImageBuild, why: str, now: datetime) -> tuple[str, ...]:
        self._concern([*self._memory.asking.failed(build.key, Answer(now, failure=why)), build.key])
        return ()

    def _act(self, observed: Observed, decision: Decision, now: datetime, asked: tuple[str, ...]) -> Decision:
        build = observed.build
        made = [*asked]
        try:
            for action in decision.actions:
                made += self._do(build, action)
        except RejectedError as error:
            self._admission.runs(build.key, self._slots(observed))
            decision = refused(observed, decision, error.reason, str(error), now)
        known = known_pods(build.status.pod_uids, [*observed.pods, *observed.errands], made)
        return replace(decision, status=replace(decision.status, pod_uids=known))

    def _do(self, build: ImageBuild, action: Action) -> tuple[str, ...]:
        """Do what was decided; gives the UID of a pod that was made."""
        match action:
            case Create(manifest):
                uid = self._cluster.create(build, manifest)
                return (uid,) if manifest["kind"] == "Pod" else ()
            case Delete(kind, name, uid, version, at_once):
                self._cluster.delete(kind, build.key.namespace, name, uid, version, at_once=at_once)
                return ()

    def _tell(self, build: ImageBuild, event: Event, now: datetime) -> None:
        """Make an Event. That is a courtesy: the status, which says the same, was written before."""
        try:
            self._cluster.record(event_manifest(build, event, now))
        except ClusterError as error:
            logger.warning("%s: no Event for %s: %s", build.key, event.reason, error)


def _referred(build: ImageBuild) -> Iterator[Referred]:
    """Tell what a build is read with."""
    for name in referenced_config_maps(build.spec):
        yield "ConfigMap", name
    source = referenced_flux_source(build.spec)
    if source is not None:
        yield source.kind, source.name


def _differ_by_progress_alone(one: Status, other: Status) -> bool:
    return replace(one, progress=None) == replace(other, progress=None)
