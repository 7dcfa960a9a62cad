"""Run the operator: watches, workers and the periodic resync together."""

import asyncio
import contextlib
import functools
import logging
import signal
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, ParamSpec

import kopf

from yadokari_api.keys import Key
from yadokari_operator.cluster.api import Api, ClusterError
from yadokari_operator.cluster.leases import Leases
from yadokari_operator.cluster.resources import Cluster
from yadokari_operator.handlers.controller import Controller
from yadokari_operator.handlers.election import Election, Told, place_of
from yadokari_operator.handlers.memory import Memory
from yadokari_operator.handlers.podwatch import handlers, watch_settings
from yadokari_operator.handlers.policies import Policies
from yadokari_operator.handlers.queue import WorkQueue
from yadokari_operator.handlers.telling import Telling
from yadokari_operator.handlers.watch import list_all
from yadokari_operator.handlers.watches import Watches
from yadokari_operator.handlers.workers import Workers
from yadokari_operator.metrics import Metrics
from yadokari_operator.notices.sender import Sender
from yadokari_operator.progress.following import Following
from yadokari_operator.settings import Settings

logger = logging.getLogger(__name__)

_WORKERS = 16
"""Lists wait, for up to 0.1 s, until what the API server holds in memory is new enough."""

_RESYNC = 1800.0
_FAREWELL = 10.0
"""Seconds that the Lease may take to be given back: after that it runs out by itself."""

_SIGNALS = (signal.SIGTERM, signal.SIGINT)

if TYPE_CHECKING:
    from yadokari_operator.traces.sender import TraceSender

P = ParamSpec("P")


async def run(api: Api, settings: Settings, me: str, metrics: Metrics) -> bool:
    """Work, or stand by while another does, until SIGTERM or SIGINT; raises what makes that impossible.

    Tells whether it ended because another, somehow, works in its place: it may begin anew, to stand by.
    """
    return await _Operator(api, settings, me, metrics).run()


class _Operator:
    """All that works together, in one event loop and some threads; it runs once."""

    def __init__(self, api: Api, settings: Settings, me: str, metrics: Metrics) -> None:
        self._settings = settings
        self._queue: WorkQueue[Key] = WorkQueue(metrics.waited)
        self._begun, self._lost, self._returned, self._ended = (asyncio.Event() for _ in range(4))
        told = Told(*map(_from_threads, (self._begun.set, self._lose, self._returned.set)))
        self._election = Election(Leases(api), place_of(settings), me, told)
        # What comes together while another works is no work of this one.
        metrics.waiting(lambda: self._queue.depth if self._election.leads else 0)
        changed, seen = _from_threads(self._note), _from_threads(partial(self._note, patient=True))
        self._cluster = Cluster(api.limited(lambda: self._election.leads), settings.never_asked)
        memory = Memory(Policies(self._cluster, settings), Following(self._cluster, changed))
        telling = Telling(metrics, _sender(settings, changed), trace_sender(settings))
        self._controller = Controller(
            self._cluster, settings, lambda: datetime.now(UTC), memory, telling, changed
        )
        watches = Watches(
            cluster=self._cluster,
            namespace=settings.namespace,
            memory=memory,
            heard=metrics.heard,
            changed=changed,
            seen=seen,
        )
        self._builds = watches.builds()
        self._watches = [self._builds, *watches.others()]
        self._standing = threading.Thread(target=self._election.run, daemon=True)
        self._tasks: list[asyncio.Task[None]] = []

    async def run(self) -> bool:
        """Run until it is to end; tells whether another works in its place."""
        self._end_on_signals()
        for watch in self._watches:
            # A daemon: it waits for the server at any time, and has nothing to end.
            threading.Thread(target=watch.run, daemon=True).start()
        self._standing.start()
        self._tasks += [asyncio.create_task(self._work()), asyncio.create_task(self._resync())]
        namespace = self._settings.namespace
        others = asyncio.all_tasks()
        try:
            tasks = await kopf.spawn_tasks(
                registry=handlers(self._note, self._watches, self._builds, self._election, self._rest),
                settings=watch_settings(self._settings.never_asked),
                standalone=True,
                clusterwide=not namespace,
                namespaces=[namespace] if namespace else [],
                liveness_endpoint=f"http://{self._settings.health_address}/healthz",
                stop_flag=self._ended,
            )
            # In the place of kopf's own, which takes a second signal for an error.
            self._end_on_signals()
            await kopf.run_tasks(tasks, ignored=others)
        finally:
            await self._rest()
            _ignore_signals()
        return self._lost.is_set()

    def _end_on_signals(self) -> None:
        for one in _SIGNALS:
            asyncio.get_running_loop().add_signal_handler(one, self._ended.set)

    def _note(self, key: Key, delay: float = 0.0, *, patient: bool = False) -> None:
        # What has come together while another worked is nothing new: what changes from now on goes first.
        self._queue.add(key, delay, patient=patient or not self._election.leads)

    def _lose(self) -> None:
        self._lost.set()
        self._ended.set()

    async def _rest(self) -> None:
        self._ended.set()
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)
        self._election.end()
        await asyncio.to_thread(self._standing.join, _FAREWELL)

    async def _work(self) -> None:
        """Work on what has come together while another operator worked, and on all that comes."""
        await self._begun.wait()
        await Workers(self._queue, self._reconcile).run(_WORKERS)

    def _reconcile(self, key: Key) -> float | None:
        return None if self._election.cedes(key.namespace) else self._controller.reconcile(key)

    async def _resync(self) -> None:
        """Look at every ImageBuild from time to time, one after the other, in case a watch missed something.

        Where namespaces have `returned`, which were none of our business so far, all are looked at now.
        """
        builds = self._cluster.image_builds(self._settings.namespace)
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_RESYNC):
                    await self._returned.wait()
            span = 0.0 if self._returned.is_set() else _RESYNC
            self._returned.clear()
            keys: list[Key] = []
            try:
                await asyncio.to_thread(list_all, builds, keys.append)
            except ClusterError as error:
                logger.warning("resync failed: %s", error)
                continue
            for number, key in enumerate(keys):
                self._queue.add(key, span * number / len(keys), patient=True)


def _ignore_signals() -> None:
    """End without being interrupted: all that is left to do is done."""
    for one in _SIGNALS:
        asyncio.get_running_loop().remove_signal_handler(one)
        signal.signal(one, signal.SIG_IGN)


def _sender(settings: Settings, changed: Callable[[Key], None]) -> Sender | None:
    if not settings.notify_url:
        return None
    sender = Sender(
        settings.notify_url, settings.notify_key, settings.notify_format, changed, settings.proxies
    )
    threading.Thread(target=sender.run, name="notices", daemon=True).start()
    return sender


def trace_sender(settings: Settings) -> "TraceSender | None":
    """Start what sends traces; `None` where nobody wants any, or where that cannot be, which is told."""
    if not settings.has_traces:
        return None
    from yadokari_contract.telemetry.otlp import ExportError, read_export, without_effect
    from yadokari_operator.traces.sender import TraceSender

    try:
        export = read_export(settings.telemetry, "yadokari-operator")
    except ExportError as error:
        logger.warning("no traces are sent: %s", error)
        return None
    if export is None:
        return None
    for remark in without_effect(settings.telemetry):
        logger.info("%s", remark)
    sender = TraceSender(export, settings.proxies)
    threading.Thread(target=sender.run, name="traces", daemon=True).start()
    return sender


def _from_threads(do: Callable[P, None]) -> Callable[P, None]:
    loop = asyncio.get_running_loop()

    def tell(*arguments: P.args, **named: P.kwargs) -> None:
        # Where the loop is closed, the operator is about to end.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(functools.partial(do, *arguments, **named))

    return tell
