"""An ImageBuild as the cluster holds it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from yadokari_api.keys import ANNOTATION_REBUILD, HANDED_OVER, Key
from yadokari_api.status import Status, parse_status

_LONGEST_REQUEST = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageBuild:
    """An ImageBuild; `spec` is raw, since what the API server let through may still be wrong for us.

    `rebuild` is what the annotation that asks for a new build says, empty where there is none; `handed_over`
    are labels for the pods.
    """

    key: Key
    uid: str
    generation: int
    rebuild: str
    deleted: bool
    spec: Mapping[str, Any]
    status: Status
    handed_over: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @classmethod
    def parse(cls, resource: Mapping[str, Any]) -> "ImageBuild":
        """Read the resource as the API server gives it."""
        metadata = resource["metadata"]
        labels = metadata.get("labels") or {}
        return cls(
            key=Key(metadata["namespace"], metadata["name"]),
            uid=metadata["uid"],
            generation=metadata.get("generation", 0),
            rebuild=(metadata.get("annotations") or {}).get(ANNOTATION_REBUILD, "")[:_LONGEST_REQUEST],
            deleted="deletionTimestamp" in metadata,
            spec=resource.get("spec") or {},
            status=parse_status(resource.get("status")),
            handed_over={name: value for name, value in labels.items() if name in HANDED_OVER},
        )


def is_controlled_by(resource: Mapping[str, Any], build: ImageBuild) -> bool:
    """Whether a resource belongs to this very ImageBuild, and not to an earlier one of its name."""
    owners = resource["metadata"].get("ownerReferences") or []
    return any(owner["uid"] == build.uid and owner.get("controller") for owner in owners)
