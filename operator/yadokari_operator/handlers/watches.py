"""Watches: every event of an ImageBuild, of a pod of ours or of a ConfigMap in use puts keys into the queue.

kopf keeps the watches alive and does nothing else: with event handlers alone it leaves no annotations and
no finalizers on resources.
"""

from collections.abc import Mapping
from typing import Any

import kopf

from yadokari_api.keys import GROUP, KIND, LABEL_BUILD, PLURAL, VERSION, Key
from yadokari_api.spec import referenced_config_maps
from yadokari_operator.handlers.queue import WorkQueue
from yadokari_operator.handlers.references import References

_CHUNK = 500


def watch_settings() -> kopf.OperatorSettings:
    """Make kopf's settings: it asks for pods of ours only, and writes nothing."""
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.peering.standalone = True
    settings.scanning.disabled = True
    settings.watching.chunk_size = _CHUNK
    settings.watching.label_selectors["v1", "pods"] = LABEL_BUILD
    return settings


def watches(queue: WorkQueue[Key], references: References) -> kopf.OperatorRegistry:
    """Make the handlers, which fill the queue."""
    registry = kopf.OperatorRegistry()
    kopf.on.login(registry=registry)(kopf.login_via_client)

    @kopf.on.event(GROUP, VERSION, PLURAL, registry=registry)
    async def image_build(event: Mapping[str, Any], **_: Any) -> None:
        resource = event["object"]
        key = _key(resource)
        gone = event["type"] == "DELETED"
        references.replace(key, () if gone else referenced_config_maps(resource.get("spec") or {}))
        if not gone:
            queue.add(key)

    @kopf.on.event("v1", "pods", registry=registry)
    async def pod(event: Mapping[str, Any], **_: Any) -> None:
        metadata = event["object"]["metadata"]
        for owner in metadata.get("ownerReferences", ()):
            if owner["kind"] == KIND:
                queue.add(Key(metadata["namespace"], owner["name"]))

    @kopf.on.event("v1", "configmaps", registry=registry)
    async def config_map(event: Mapping[str, Any], **_: Any) -> None:
        changed = _key(event["object"])
        for key in references.users_of(changed.namespace, changed.name):
            queue.add(key)

    return registry


def _key(resource: Mapping[str, Any]) -> Key:
    return Key(resource["metadata"]["namespace"], resource["metadata"]["name"])
