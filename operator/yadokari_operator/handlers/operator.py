"""Run the operator: watches, workers and the periodic resync together."""

import asyncio
import contextlib
import functools
import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import ParamSpec

import kopf

from yadokari_api.keys import Key
from yadokari_contract.telemetry.otlp import ExportError, read_export, without_effect
from yadokari_operator.cluster.api import Api, ClusterError
from yadokari_operator.cluster.leases import Leases
from yadokari_operator.cluster.metadata import Metadata
from yadokari_operator.cluster.resources import FLUX_KINDS, Cluster
from yadokari_operator.handlers.controller import Controller
from yadokari_operator.handlers.echoes import Echoes
from yadokari_operator.handlers.election import Election, Told, place_of
from yadokari_operator.handlers.podwatch import handlers, watch_settings
from yadokari_operator.handlers.policies import Policies
from yadokari_operator.handlers.queue import WorkQueue
from yadokari_operator.handlers.references import References
from yadokari_operator.handlers.telling import Telling
from yadokari_operator.handlers.watch import Watch, list_all, version_now
from yadokari_operator.handlers.workers import Workers
from yadokari_operator.metrics import Metrics
from yadokari_operator.notices.sender import Sender
from yadokari_operator.progress.following import Following
from yadokari_operator.settings import Settings
from yadokari_operator.traces.sender import TraceSender

logger = logging.getLogger(__name__)

_WORKERS = 16
"""Lists wait, for up to 0.1 s, until what the API server holds in memory is new enough."""

_RESYNC = 1800.0
_FAREWELL = 10.0
"""Seconds that the Lease may take to be given back: after that it runs out by itself."""

P = ParamSpec("P")


async def run(api: Api, settings: Settings, me: str, metrics: Metrics) -> bool:
    """Work, or stand by while another does, until SIGTERM or SIGINT; raises what makes that impossible.

    Tells whether it ended because another, somehow, works in its place: it may begin anew, to stand by.
    """
    queue: WorkQueue[Key] = WorkQueue(metrics.waited)
    references = References()
    begun, lost, returned, ended = (asyncio.Event() for _ in range(4))

    def lose() -> None:
        lost.set()
        ended.set()

    told = Told(*map(_from_threads, (begun.set, lose, returned.set)))
    election = Election(Leases(api), place_of(settings), me, told)

    def note(key: Key, delay: float = 0.0, *, patient: bool = False) -> None:
        # What has come together while another worked is nothing new: what changes from now on goes first.
        queue.add(key, delay, patient=patient or not election.leads)

    changed, seen = _from_threads(note), _from_threads(partial(note, patient=True))
    # What comes together while another works is no work of this one.
    metrics.waiting(lambda: queue.depth if election.leads else 0)
    cluster = Cluster(api.limited(lambda: election.leads), settings.never_asked)
    policies = Policies(cluster, settings)
    following, echoes = Following(cluster, changed), Echoes()
    telling = Telling(metrics, _sender(settings, changed), _trace_sender(settings))
    controller = Controller(
        cluster,
        settings,
        lambda: datetime.now(UTC),
        references,
        policies,
        following,
        echoes,
        telling,
        changed,
    )
    namespace = settings.namespace
    builds = _build_watch(cluster.image_builds(namespace), references, echoes, metrics, changed, seen)
    watches = [builds]
    sources = {"ConfigMap": cluster.config_maps(namespace)}
    sources |= {kind: cluster.flux_sources(kind, namespace) for kind in FLUX_KINDS}
    watches += [
        _source_watch(kind, metadata, references, metrics, changed) for kind, metadata in sources.items()
    ]
    if not namespace:
        watches.append(_policy_watch(cluster.policy_changes(), policies, changed))
    for watch in watches:
        # A daemon: it waits for the server at any time, and has nothing to end.
        threading.Thread(target=watch.run, daemon=True).start()
    standing = threading.Thread(target=election.run, daemon=True)
    standing.start()

    def reconcile(key: Key) -> float | None:
        return None if election.cedes(key.namespace) else controller.reconcile(key)

    tasks = [
        asyncio.create_task(_work(begun, Workers(queue, reconcile))),
        asyncio.create_task(_resync(queue, cluster.image_builds(settings.namespace), returned)),
    ]

    async def rest() -> None:
        ended.set()
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        election.end()
        await asyncio.to_thread(standing.join, _FAREWELL)

    try:
        await kopf.operator(
            registry=handlers(note, watches, builds, election, rest),
            settings=watch_settings(settings.never_asked),
            standalone=True,
            clusterwide=not settings.namespace,
            namespaces=[settings.namespace] if settings.namespace else [],
            liveness_endpoint=f"http://{settings.health_address}/healthz",
            stop_flag=ended,
        )
    finally:
        await rest()
    return lost.is_set()


async def _work(begun: asyncio.Event, workers: Workers) -> None:
    """Work on what has come together while another operator worked, and on all that comes."""
    await begun.wait()
    await workers.run(_WORKERS)


def _sender(settings: Settings, changed: Callable[[Key], None]) -> Sender | None:
    if not settings.notify_url:
        return None
    sender = Sender(settings.notify_url, settings.notify_key, settings.notify_format, changed)
    threading.Thread(target=sender.run, name="notices", daemon=True).start()
    return sender


def _trace_sender(settings: Settings) -> TraceSender | None:
    try:
        export = read_export(settings.telemetry, "yadokari-operator")
    except ExportError as error:
        logger.warning("no traces are sent: %s", error)
        return None
    if export is None:
        return None
    for remark in without_effect(settings.telemetry):
        logger.info("%s", remark)
    sender = TraceSender(export)
    threading.Thread(target=sender.run, name="traces", daemon=True).start()
    return sender


def _build_watch(
    metadata: Metadata,
    references: References,
    echoes: Echoes,
    metrics: Metrics,
    changed: Callable[[Key], None],
    seen: Callable[[Key], None],
) -> Watch:
    def begin() -> str:
        # Those that are known and not listed any more are gone.
        for key in references.users():
            seen(key)
        return list_all(metadata, seen)

    return Watch("ImageBuilds", metadata, begin, changed, is_echo=echoes.is_one, heard=metrics.heard)


def _source_watch(
    kind: str, metadata: Metadata, references: References, metrics: Metrics, changed: Callable[[Key], None]
) -> Watch:
    """Follow resources of a kind; what nobody refers to is of no interest, so they are not even listed.

    While nobody refers to any, nothing is asked for: the cluster need not know the kind.
    """

    def begin() -> str:
        version = version_now(metadata)
        for key in references.users_of_kind(kind):
            changed(key)
        return version

    def source_changed(source: Key) -> None:
        for key in references.users_of(kind, source):
            changed(key)

    return Watch(
        f"resources of kind {kind}",
        metadata,
        begin,
        source_changed,
        heard=metrics.heard,
        wanted=partial(references.await_users_of_kind, kind),
    )


def _policy_watch(metadata: Metadata, policies: Policies, changed: Callable[[Key], None]) -> Watch:
    """Follow policies: what one refuses, another version of it may allow."""

    def begin() -> str:
        version = version_now(metadata)
        look_again()
        return version

    def look_again(*_: Key) -> None:
        for key in policies.refused():
            changed(key)

    return Watch("ImageBuildPolicies", metadata, begin, look_again)


def _from_threads(do: Callable[P, None]) -> Callable[P, None]:
    loop = asyncio.get_running_loop()

    def tell(*arguments: P.args, **named: P.kwargs) -> None:
        # Where the loop is closed, the operator is about to end.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(functools.partial(do, *arguments, **named))

    return tell


async def _resync(queue: WorkQueue[Key], builds: Metadata, at_once: asyncio.Event) -> None:
    """Look at every ImageBuild from time to time, one after the other, in case a watch missed something.

    Where that is to be `at_once`, since some were none of our business so far, all are looked at now.
    """
    while True:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(at_once.wait(), _RESYNC)
        span = 0.0 if at_once.is_set() else _RESYNC
        at_once.clear()
        keys: list[Key] = []
        try:
            await asyncio.to_thread(list_all, builds, keys.append)
        except ClusterError as error:
            logger.warning("resync failed: %s", error)
            continue
        for number, key in enumerate(keys):
            queue.add(key, span * number / len(keys), patient=True)
