"""Events: what people read under `kubectl describe`, once for each happening in the life of an ImageBuild."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from yadokari_api.imagebuild import ImageBuild
from yadokari_api.keys import API_VERSION, GROUP, KIND
from yadokari_api.reasons import advice
from yadokari_api.status import Status
from yadokari_operator.reports import format_time

_LONGEST = 1024


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened; `token` is the same for the same happening only."""

    warning: bool
    reason: str
    message: str
    token: str


def event(old: Status, new: Status) -> Event | None:
    """Tell people what happened between two statuses, if anything did."""
    if _happening(new) == _happening(old):
        return None
    # Of a status that has ended, and that not the operator wrote, conditions may be missing.
    warning = any(it.status == "False" for it in new.conditions[:1])
    message = new.message[:_LONGEST]
    to_do = advice(new.reason) if warning else ""
    if to_do and len(message) + len(to_do) < _LONGEST:
        # Below the lines of a Dockerfile that are shown, and the mark beneath them.
        message += ("\n" if "\n" in message else "; ") + f"what to do: {to_do}"
    return Event(warning, new.reason, message[:_LONGEST], "/".join(_happening(new)))


def sharing(old: Status, new: Status) -> Event | None:
    """Tell people that others push to the same place, when that is found out."""
    before = {condition.message for condition in old.conditions if condition.type == "DestinationShared"}
    for shared in new.conditions:
        if shared.type == "DestinationShared" and shared.message not in before:
            message = f"{shared.message}; what to do: {advice(shared.reason)}"
            return Event(True, shared.reason, message[:_LONGEST], f"shared/{shared.message}")
    return None


def event_manifest(build: ImageBuild, event: Event, now: datetime) -> dict[str, Any]:
    """Write an Event; its name tells what happened, so that it can be made once only."""
    token = hashlib.sha256(f"{build.uid}/{event.token}".encode()).hexdigest()[:16]
    time = format_time(now)
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": f"{build.key.name[:200].rstrip('-.')}.{token}",
            "namespace": build.key.namespace,
        },
        "involvedObject": {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "namespace": build.key.namespace,
            "name": build.key.name,
            "uid": build.uid,
        },
        "type": "Warning" if event.warning else "Normal",
        "reason": event.reason,
        "message": event.message,
        "firstTimestamp": time,
        "lastTimestamp": time,
        "count": 1,
        "source": {"component": "yadokari"},
        "reportingComponent": f"{GROUP}/operator",
    }


def _happening(status: Status) -> tuple[str, ...]:
    """All that tells one happening in the life of an ImageBuild from the others.

    A step can make it look as if it pushed, and as if not, as often as it likes: each is told once.
    """
    run = status.run
    where = run.pod or str(status.observed_generation)
    return (status.phase, status.reason, str(run.number), str(run.attempt), where)
