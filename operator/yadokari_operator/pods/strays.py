"""Pods that bear a build's name and owner though its status does not say that we made them.

Either somebody made one in our name, or we made it, and did not get to write that down before the spec was
changed: then it would push what nobody wants any more. Nothing of it is believed, and nobody waits for it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from yadokari_api.imagebuild import ImageBuild, is_controlled_by
from yadokari_contract.verbs import RESOLVE
from yadokari_operator.pods.names import parse_errand_name, parse_pod_name
from yadokari_operator.pods.observed import is_known
from yadokari_operator.pods.outcome import parse_time


@dataclass(frozen=True, slots=True)
class Stray:
    """A pod that we do not know, of a run or of an errand that this is the token of; whether it `asks`."""

    uid: str
    name: str
    run: str
    asks: bool
    created: datetime


def parse_stray(resource: Mapping[str, Any], build: ImageBuild) -> Stray | None:
    """Read a pod as the API server gives it; `None` where we know it, and where it is not to be of ours."""
    metadata = resource["metadata"]
    name, uid = metadata["name"], metadata["uid"]
    if "deletionTimestamp" in metadata or not is_controlled_by(resource, build) or is_known(resource, build):
        return None
    created = parse_time(metadata["creationTimestamp"])
    if attempt := parse_pod_name(build.key.name, name):
        return Stray(uid, name, attempt[0], asks=False, created=created)
    if errand := parse_errand_name(build.key.name, name):
        verb, token, _ = errand
        return Stray(uid, name, token, asks=verb == RESOLVE.name, created=created)
    return None
