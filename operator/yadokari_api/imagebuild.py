"""An ImageBuild as the cluster holds it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from yadokari_api.keys import Key
from yadokari_api.status import Status, parse_status


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageBuild:
    """An ImageBuild; `spec` is raw, since what the API server let through may still be wrong for us."""

    key: Key
    uid: str
    generation: int
    deleted: bool
    spec: Mapping[str, Any]
    status: Status

    @classmethod
    def parse(cls, resource: Mapping[str, Any]) -> "ImageBuild":
        """Read the resource as the API server gives it."""
        metadata = resource["metadata"]
        return cls(
            key=Key(metadata["namespace"], metadata["name"]),
            uid=metadata["uid"],
            generation=metadata.get("generation", 0),
            deleted="deletionTimestamp" in metadata,
            spec=resource.get("spec") or {},
            status=parse_status(resource.get("status")),
        )


def belongs_to(resource: Mapping[str, Any], build: ImageBuild) -> bool:
    """Whether a resource is owned by this very ImageBuild, not by an earlier one of the same name."""
    owners = resource["metadata"].get("ownerReferences", [])
    return any(owner["uid"] == build.uid for owner in owners)
