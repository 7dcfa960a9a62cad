"""The artifact of a source of Flux, as source-controller tells it.

https://github.com/fluxcd/source-controller/blob/main/docs/spec/v1/gitrepositories.md#artifact
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from yadokari_api.inputs.context import FluxSource, HttpContext
from yadokari_api.reasons import StateReason
from yadokari_operator.pods.inputs.missing import Missing

_DIGEST = re.compile("sha256:([0-9a-f]{64})")
_LONGEST = 256


@dataclass(frozen=True, slots=True)
class Artifact:
    """An archive that source-controller serves, and the `revision` of what it was made of."""

    where: HttpContext
    digest: str
    revision: str


def parse_artifact(source: FluxSource, resource: Mapping[str, Any]) -> Artifact | Missing:
    """Read the artifact of a source; who may write its status may have written anything."""
    name = f"{source.kind} {source.name} of spec.context.fluxSource"
    status = _mapping(resource.get("status"))
    artifact = _mapping(status.get("artifact"))
    url, digest, revision = (str(artifact.get(field) or "") for field in ("url", "digest", "revision"))
    if not url:
        return Missing(StateReason.SOURCE_NOT_READY, f"{name} has no artifact yet{_why(status)}")
    checksum = _DIGEST.fullmatch(digest)
    if checksum is None:
        return Missing(
            StateReason.SOURCE_NOT_READY,
            f"{name} has an artifact without a digest of sha256, by which it is checked:"
            " source-controller makes one with --artifact-digest-algo=sha256",
        )
    try:
        where = HttpContext(url=url, sha256=checksum[1])
    except ValidationError:
        return Missing(
            StateReason.SOURCE_NOT_READY, f"{name} has an artifact whose url is none of an archive"
        )
    return Artifact(where, digest, _shown(revision))


def not_found(source: FluxSource, *, served: bool) -> Missing:
    """Tell of a source that is not there, or of which the cluster does not even know the kind."""
    if served:
        message = f"{source.kind} {source.name} of spec.context.fluxSource does not exist"
    else:
        message = (
            f"the cluster serves no {source.kind} of source.toolkit.fluxcd.io/v1, which"
            " spec.context.fluxSource names: install Flux's source-controller"
        )
    return Missing(StateReason.SOURCE_NOT_FOUND, message)


def not_allowed(source: FluxSource, refusal: str) -> Missing:
    """Tell of a source that the operator may not read."""
    message = f"the operator may not read {source.kind} {source.name} of spec.context.fluxSource: {refusal}"
    return Missing(StateReason.SOURCE_NOT_FOUND, _shown(message, 4 * _LONGEST))


def _why(status: Mapping[str, Any]) -> str:
    conditions = status.get("conditions")
    ready = [
        _mapping(it)
        for it in (conditions if isinstance(conditions, list) else [])
        if _mapping(it).get("type") == "Ready"
    ]
    return f": {_shown(str(ready[0].get('message') or ''), 4 * _LONGEST)}" if ready else ""


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _shown(text: str, longest: int = _LONGEST) -> str:
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text[:longest])
