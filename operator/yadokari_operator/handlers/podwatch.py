"""kopf's part: it follows our pods, and answers for the operator's health.

With event handlers alone it leaves no annotations and no finalizers on resources.
"""

import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from typing import Any, Protocol

import kopf

from yadokari_api.keys import LABEL_BUILD, Key
from yadokari_operator.cluster.resources import outside_of
from yadokari_operator.handlers.election import Election
from yadokari_operator.handlers.session import log_in
from yadokari_operator.handlers.watch import Watch
from yadokari_operator.pods.observed import build_of

logger = logging.getLogger(__name__)

_CHUNK = 50
_NOT_FOUND = 404


class Changed(Protocol):
    """Is told of what has changed, or, where it is `patient`, may have."""

    def __call__(self, key: Key, *, patient: bool) -> None:
        """Have it looked at."""


def watch_settings(never: Iterable[str] = ()) -> kopf.OperatorSettings:
    """Make kopf's settings: it asks for pods of ours only, of some namespaces `never`, and writes nothing."""
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.peering.standalone = True
    settings.scanning.disabled = True
    settings.watching.chunk_size = _CHUNK
    # What is done for an event is to remember it, so there is nothing to wait for when the operator ends.
    settings.queueing.idle_timeout = settings.queueing.exit_timeout = 0.1
    settings.watching.label_selectors["v1", "pods"] = LABEL_BUILD
    if fields := outside_of(never):
        settings.watching.field_selectors["v1", "pods"] = fields
    return settings


def handlers(
    changed: Changed,
    watches: Collection[Watch],
    builds: Watch,
    election: Election,
    rest: Callable[[], Awaitable[None]],
) -> kopf.OperatorRegistry:
    """Make the handlers: `changed` is told the ImageBuild of each pod that changes, `rest` ends the work.

    The operator is healthy as long as its `watches` live; who stands by is.
    """
    registry = kopf.OperatorRegistry()
    kopf.on.login(registry=registry)(log_in)

    @kopf.on.event("v1", "pods", registry=registry)
    async def pod(event: Mapping[str, Any], **_: Any) -> None:
        # What is listed has no type.
        changed(build_of(event["object"]["metadata"]), patient=event["type"] is None)

    @kopf.on.cleanup(registry=registry)
    async def end(**_: Any) -> None:
        # kopf waits for tasks that go on, for some seconds, and no other operator begins meanwhile.
        await rest()

    @kopf.on.probe(id="imagebuilds", registry=registry)
    async def health(**_: Any) -> str:
        return told(builds)

    @kopf.on.probe(id="operator", registry=registry)
    async def standing(**_: Any) -> str:
        return election.standing

    @kopf.on.probe(id="watches", registry=registry)
    async def life(**_: Any) -> str:
        dead = [watch.what for watch in watches if watch.is_dead]
        if dead:
            logger.error(
                "nothing more is heard of %s: this operator is to be started anew", " and ".join(dead)
            )
            raise kopf.PermanentError(f"nothing more is heard of {' and '.join(dead)}")
        return life_of(watches)

    return registry


def life_of(watches: Iterable[Watch]) -> str:
    """Say which of the watches that live get nothing but errors."""
    troubles = [f"{it.what} cannot be watched: {it.error}" for it in watches if it.error is not None]
    return ", but ".join(["alive", *troubles])


def told(builds: Watch) -> str:
    """Say whether ImageBuilds are followed; where not, no restart of the operator mends it."""
    if builds.error is None:
        return "watched"
    if builds.error.status == _NOT_FOUND:
        return "the API server does not serve them: apply manifests/crd"
    return f"cannot be watched: {builds.error}"
