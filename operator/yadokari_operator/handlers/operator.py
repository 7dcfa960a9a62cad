"""Run the operator: watches, workers and the periodic resync together."""

import asyncio
import contextlib
import logging
from datetime import UTC, datetime

import kopf

from yadokari_api.keys import Key
from yadokari_operator.cluster import Cluster, ClusterError
from yadokari_operator.handlers.controller import Controller
from yadokari_operator.handlers.queue import WorkQueue
from yadokari_operator.handlers.references import References
from yadokari_operator.handlers.watches import watch_settings, watches
from yadokari_operator.handlers.workers import Workers
from yadokari_operator.settings import Settings

logger = logging.getLogger(__name__)

_WORKERS = 4
_RESYNC = 600.0
_WAIT_FOR_CRD = 5.0


async def run(cluster: Cluster, settings: Settings) -> None:
    """Work until SIGTERM or SIGINT; raises whatever makes it impossible to go on."""
    await _crd_served(cluster, settings)
    queue: WorkQueue[Key] = WorkQueue()
    controller = Controller(cluster, settings, lambda: datetime.now(UTC))
    tasks = [
        asyncio.create_task(Workers(queue, controller.reconcile).run(_WORKERS)),
        asyncio.create_task(_resync(queue, cluster, settings)),
    ]
    try:
        await kopf.operator(
            registry=watches(queue, References()),
            settings=watch_settings(),
            standalone=True,
            clusterwide=not settings.namespace,
            namespaces=[settings.namespace] if settings.namespace else [],
            liveness_endpoint=f"http://{settings.health_address}/healthz",
        )
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def _crd_served(cluster: Cluster, settings: Settings) -> None:
    """Wait until the API server knows ImageBuilds: kopf looks for them once, when it starts."""
    while True:
        try:
            await asyncio.to_thread(cluster.image_build_keys, settings.namespace)
        except ClusterError as error:
            logger.warning("waiting for the API server to serve ImageBuilds: %s", error)
            await asyncio.sleep(_WAIT_FOR_CRD)
        else:
            return


async def _resync(queue: WorkQueue[Key], cluster: Cluster, settings: Settings) -> None:
    """Look at every ImageBuild from time to time, in case a watch missed something."""
    while True:
        await asyncio.sleep(_RESYNC)
        try:
            keys = await asyncio.to_thread(cluster.image_build_keys, settings.namespace)
        except ClusterError as error:
            logger.warning("resync failed: %s", error)
            continue
        for key in keys:
            queue.add(key)
