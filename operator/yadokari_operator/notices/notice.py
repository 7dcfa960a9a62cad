"""What is told of a build, and what of it has been told already, by its status.

Pure. A status says in `notified` how far its run has been told, as RUN/KIND. What is due follows from that:
a restart loses nothing, and at worst tells the same twice, with the same id.
"""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from yadokari_api.imagebuild import ImageBuild
from yadokari_api.keys import API_VERSION, GROUP, PLURAL, Key
from yadokari_api.status import Status

Kind = Literal["started", "succeeded", "failed"]

_LONGEST = 1024
_HAS_BEGUN = frozenset({"Building", "Retrying", "Succeeded", "Failed"})
_RANKS = {"": 0, "started": 1, "succeeded": 2, "failed": 2}

_NOTHING = "\u200b"
_MARKS = (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("](", f"]{_NOTHING}("))
"""By these Slack and Mattermost know links whose text says something else, and Slack whom to call."""
_CALL = re.compile(r"(?<!\w)@")
"""By this others than Slack know whom to call; in a reference there is a word before it."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that happened to a build; `id` is the same for the same happening only."""

    key: Key
    id: str
    mark: str
    kind: Kind
    time: str
    data: dict[str, Any]

    def as_cloud_event(self) -> bytes:
        """Write it as JSON, in the structured mode of CloudEvents 1.0."""
        return _dump(
            {
                "specversion": "1.0",
                "id": self.id,
                "source": f"/apis/{API_VERSION}/namespaces/{self.key.namespace}/{PLURAL}/{self.key.name}",
                "type": f"{GROUP.split('.')[1]}.{GROUP.split('.')[0]}.build.{self.kind}",
                "subject": str(self.key),
                "time": self.time,
                "datacontenttype": "application/json",
                "data": self.data,
            }
        )

    def as_text(self) -> bytes:
        """Write it for people, as hooks of Slack and its like take it."""
        what = self.data.get("digest") or self.data["message"]
        text = f"ImageBuild {self.key} {self.kind}: {what}"
        for mark, harmless in _MARKS:
            text = text.replace(mark, harmless)
        return _dump({"text": _CALL.sub(f"@{_NOTHING}", text)})


def mark_of(before: Status, now: Status, told: str) -> str | None:
    """Give what a status is to say of what has been told of its run; `told` is what was told since.

    Runs that began before anybody asked for notices are not told.
    """
    number = now.run.number
    if number > before.run.number:
        return f"{number}/"
    known = before.notified if before.run.number == number else None
    return told if known is not None and _reaches(told, known) else known


def due(build: ImageBuild, now: Status) -> Iterator[Notice]:
    """Tell what is yet to be told of a run, in order."""
    run, mark = now.run, now.notified
    if mark is None or not run.started_at or now.phase not in _HAS_BEGUN:
        return
    kinds: list[tuple[Kind, str]] = [("started", run.started_at)]
    if now.finished and run.finished_at:
        kinds.append(("succeeded" if now.phase == "Succeeded" else "failed", run.finished_at))
    for kind, time in kinds:
        if not _reaches(mark, f"{run.number}/{kind}"):
            yield _notice(build, now, kind, time)


def signature(key: str, identity: str, timestamp: int, body: bytes) -> str:
    """Sign as Standard Webhooks 1.0 does; a key that begins with whsec_ is base64."""
    signed = hmac.new(_secret(key), f"{identity}.{timestamp}.".encode() + body, hashlib.sha256)
    return f"v1,{base64.b64encode(signed.digest()).decode()}"


def body_signature(key: str, body: bytes) -> str:
    """Sign the body alone, as Flux's receivers of the type generic-hmac want it."""
    return f"sha256={hmac.new(_secret(key), body, hashlib.sha256).hexdigest()}"


def _secret(key: str) -> bytes:
    return base64.b64decode(key.removeprefix("whsec_")) if key.startswith("whsec_") else key.encode()


def _reaches(mark: str, other: str) -> bool:
    """Whether a mark tells as much as another one of the same run."""
    run, _, kind = mark.partition("/")
    other_run, _, other_kind = other.partition("/")
    return run == other_run and _RANKS.get(kind, 0) >= _RANKS.get(other_kind, 0)


def _notice(build: ImageBuild, now: Status, kind: Kind, time: str) -> Notice:
    run = now.run
    identity = hashlib.sha256(f"{build.uid}/{run.number}/{kind}".encode()).hexdigest()[:32]
    has_ended = kind != "started"
    data = {
        "namespace": build.key.namespace,
        "name": build.key.name,
        "uid": build.uid,
        "run": run.number,
        "attempt": run.attempt,
        "pod": run.pod,
        "why": run.reason,
        "reason": now.reason if has_ended else "Building",
        "message": now.message[:_LONGEST] if has_ended else f"run {run.number} has begun",
        "duration": run.duration if has_ended else None,
        "image": now.output.image if has_ended and now.output else None,
        "digest": now.output.digest if has_ended and now.output else None,
        "line": now.failure.line if kind == "failed" and now.failure else None,
    }
    given = {name: value for name, value in data.items() if value is not None}
    return Notice(build.key, identity, f"{run.number}/{kind}", kind, time, given)


def _dump(value: Any) -> bytes:
    return json.dumps(value).encode()
