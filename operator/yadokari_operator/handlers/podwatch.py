"""kopf's part: it follows our pods, and answers for the operator's health.

With event handlers alone it leaves no annotations and no finalizers on resources.
"""

from collections.abc import Callable, Mapping
from typing import Any

import kopf

from yadokari_api.keys import LABEL_BUILD, Key
from yadokari_operator.handlers.watch import Watch
from yadokari_operator.pods.observed import build_of

_CHUNK = 50
_NOT_FOUND = 404


def watch_settings() -> kopf.OperatorSettings:
    """Make kopf's settings: it asks for pods of ours only, and writes nothing."""
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.peering.standalone = True
    settings.scanning.disabled = True
    settings.watching.chunk_size = _CHUNK
    settings.watching.label_selectors["v1", "pods"] = LABEL_BUILD
    return settings


def handlers(changed: Callable[[Key], None], builds: Watch) -> kopf.OperatorRegistry:
    """Make the handlers: `changed` is told the ImageBuild of each pod that changes."""
    registry = kopf.OperatorRegistry()
    kopf.on.login(registry=registry)(kopf.login_via_client)

    @kopf.on.event("v1", "pods", registry=registry)
    async def pod(event: Mapping[str, Any], **_: Any) -> None:
        changed(build_of(event["object"]["metadata"]))

    @kopf.on.probe(id="imagebuilds", registry=registry)
    async def health(**_: Any) -> str:
        return told(builds)

    return registry


def told(builds: Watch) -> str:
    """Say whether ImageBuilds are followed; where not, no restart of the operator mends it."""
    if builds.error is None:
        return "watched"
    if builds.error.status == _NOT_FOUND:
        return "the API server does not serve them: apply manifests/crd"
    return f"cannot be watched: {builds.error}"
