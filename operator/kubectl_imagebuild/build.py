"""An ImageBuild as the plugin shows it: what the cluster says, made harmless.

It is read without pydantic, whose import would take longer than all else that `list` does.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from kubectl_imagebuild.writing import one_line, since
from yadokari_api.keys import ANNOTATION_REBUILD
from yadokari_contract.terminal import harmless

SUCCEEDED, FAILED, RETRYING, SUSPENDED = "Succeeded", "Failed", "Retrying", "Suspended"
_POD_NAME = re.compile(r"[a-z0-9][-.a-z0-9]{0,252}", re.ASCII)
_STARTED = frozenset({"Building", RETRYING, SUCCEEDED, FAILED})


@dataclass(frozen=True, slots=True)
class Pod:
    """The pod of a build's latest attempt; `platform` is empty unless it builds for several."""

    name: str
    attempt: int
    platform: str = ""


@dataclass(frozen=True, slots=True)
class Build:
    """An ImageBuild; any field may be missing, or something else than it should be."""

    resource: Mapping[str, Any]

    def value(self, *path: str) -> Any:
        """Return what is at a path of fields, None where nothing is."""
        found: Any = self.resource
        for name in path:
            found = found.get(name) if isinstance(found, Mapping) else None
        return found

    def text(self, *path: str) -> str:
        """Return a field as text on one line; empty where there is none."""
        return shown(self.value(*path))

    def lines(self, *path: str) -> str:
        """Return a field as text of several lines."""
        found = self.value(*path)
        return harmless(found) if isinstance(found, str) else ""

    def headline(self, *path: str) -> str:
        """Return the first line of a field; empty where there is none."""
        return one_line(self.lines(*path).partition("\n")[0])

    def more_lines(self, *path: str) -> Sequence[str]:
        """Return the lines of a field that follow its first one."""
        return self.lines(*path).rstrip("\n").split("\n")[1:]

    def number(self, *path: str) -> int:
        """Return a field as a number; 0 where it is none."""
        found = self.value(*path)
        return found if isinstance(found, int) else 0

    def items(self, *path: str) -> Sequence[Mapping[str, Any]]:
        """Return a field that is a list of objects."""
        found = self.value(*path)
        return [item for item in found if isinstance(item, Mapping)] if isinstance(found, list) else []

    def texts(self, *path: str) -> Sequence[str]:
        """Return a field that is a list of texts, each on one line."""
        found = self.value(*path)
        return [text for text in map(shown, found) if text] if isinstance(found, list) else []

    @property
    def name(self) -> str:
        """Its name."""
        return self.text("metadata", "name")

    @property
    def namespace(self) -> str:
        """Its namespace."""
        return self.text("metadata", "namespace")

    @property
    def key(self) -> str:
        """Namespace and name."""
        return f"{self.namespace}/{self.name}"

    @property
    def pods(self) -> Sequence[Pod]:
        """The pods of its latest attempts: one, or one for each platform; none before that."""
        run = self.value("status", "run")
        several = self.items("status", "run", "platforms")
        found = [_pod(one) for one in several or ([run] if isinstance(run, Mapping) else [])]
        return [pod for pod in found if pod.name]

    @property
    def phase(self) -> str:
        """How far it has come: Pending where no operator has seen it, or not what was asked for last."""
        return (self.text("status", "phase") if self.is_observed else "") or "Pending"

    @property
    def is_observed(self) -> bool:
        """Whether the status is about the spec as it is, and the latest request to build again."""
        asked = self.text("metadata", "annotations", ANNOTATION_REBUILD)[:256]
        return self.value("status", "observedGeneration") == self.value("metadata", "generation") and (
            not asked or asked == self.text("status", "rebuildRequestedAt")
        )

    @property
    def is_finished(self) -> bool:
        """Whether it has succeeded or failed for good."""
        return self.phase in (SUCCEEDED, FAILED)

    @property
    def has_started(self) -> bool:
        """Whether an executor has run."""
        return self.phase in _STARTED

    @property
    def reason(self) -> str:
        """Why it is as it is, for machines."""
        return self.condition("Ready")[1] if self.is_observed else ""

    @property
    def message(self) -> str:
        """What is going on, in a sentence."""
        if self.is_observed:
            return self.headline("status", "message")
        return "the operator has not seen it yet"

    def condition(self, kind: str) -> tuple[str, str]:
        """Return a condition's status and reason; Unknown where it is not there."""
        for condition in self.items("status", "conditions"):
            if condition.get("type") == kind:
                return shown(condition.get("status")), shown(condition.get("reason"))
        return "Unknown", ""

    @property
    def image(self) -> str:
        """Where it is pushed first."""
        first = next(iter(self.items("spec", "destinations")), {})
        return self.text("status", "output", "image") or shown(first.get("image"))

    @property
    def steps(self) -> str:
        """How many steps of how many are done, or while one runs, its number."""
        if self.number("status", "progress", "steps"):
            return f"{self.number('status', 'progress', 'step')}/{self.number('status', 'progress', 'steps')}"
        total = self.number("status", "steps", "total")
        return f"{self.number('status', 'steps', 'current')}/{total}" if total else ""

    def duration(self, now: datetime) -> str:
        """Tell how long it took, or takes by now."""
        if self.is_finished:
            return self.text("status", "run", "duration")
        return since(self.text("status", "run", "startedAt"), now) if self.has_started else ""


def _pod(run: Mapping[str, Any]) -> Pod:
    name, attempt = shown(run.get("pod")), run.get("attempt")
    # What may write a status may not hand flags to kubectl.
    return Pod(
        name if _POD_NAME.fullmatch(name) else "",
        attempt if isinstance(attempt, int) else 0,
        shown(run.get("platform")),
    )


def shown(value: Any) -> str:
    """Return a value that the cluster gave as text on one line, empty where it is none."""
    if isinstance(value, bool):
        return str(value).lower()
    return one_line(str(value)) if isinstance(value, str | int | float) else ""
