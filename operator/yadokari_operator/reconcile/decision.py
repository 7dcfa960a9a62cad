"""What is observed of an ImageBuild, and what is decided."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Literal

from yadokari_api.imagebuild import ImageBuild
from yadokari_api.keys import LABEL_ERRAND, LABEL_PLATFORM, Key
from yadokari_api.policy import Policy
from yadokari_api.status import Status
from yadokari_contract.progress import Progress
from yadokari_operator.events import Event, event
from yadokari_operator.pods.errands.observed import ErrandPod
from yadokari_operator.pods.inputs.artifact import Artifact
from yadokari_operator.pods.inputs.files import ConfigMapData
from yadokari_operator.pods.inputs.missing import Missing
from yadokari_operator.pods.observed import OwnedConfigMap, Pod
from yadokari_operator.pods.render import Manifest
from yadokari_operator.pods.strays import Stray
from yadokari_operator.policies import Violation


@dataclass(frozen=True, slots=True)
class Answer:
    """What a name was found to stand for at a time, a digest or a commit, or else why that is not known."""

    time: datetime
    resolved: str = ""
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Want:
    """A name that is to be asked for at `due`, and from then on in intervals."""

    name: str
    due: datetime
    interval: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What the cluster holds: the ImageBuild, what was made for it, and what exists of its sources.

    `artifact` is what there is of the source of Flux, if the spec names one, `answers` what has been found
    out by asking, by name. `errands` are the small pods that ask or do something for it, `strays` pods of its
    name that it does not know. `policies` are those that hold for it, or why nothing is known to be allowed;
    they count where an attempt begins, and are read for that alone. `rivals` are other ImageBuilds that push
    to one of its destinations, `taken` names of ours that pods of others bear for now. `progress` is how far
    those that run have come, by their logs, for each pod's name.
    """

    build: ImageBuild
    pods: tuple[Pod, ...] = ()
    errands: tuple[ErrandPod, ...] = ()
    strays: tuple[Stray, ...] = ()
    config_maps: tuple[OwnedConfigMap, ...] = ()
    sources: Mapping[str, ConfigMapData]
    artifact: Artifact | Missing | None = None
    answers: Mapping[str, Answer] = field(default_factory=lambda: MappingProxyType({}))
    rivals: Mapping[str, tuple[Key, ...]] = field(default_factory=lambda: MappingProxyType({}))
    taken: frozenset[str] = frozenset()
    policies: tuple[Policy, ...] | Violation = ()
    progress: Mapping[str, Progress] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Create:
    """Make a resource; that it is there already is fine."""

    manifest: Manifest


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete the very resource that was observed, as it was with `version`; that it is gone is fine.

    What goes `at_once` gets no time to end.
    """

    kind: Literal["Pod", "ConfigMap"]
    name: str
    uid: str
    version: str = ""
    at_once: bool = False


Action = Create | Delete


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What to do, in this order: the actions, then the status, then the events; and when to look again.

    `unacted` is how far the run has come without the actions: what is reported of it where the API server
    refuses one. `look_again` is in seconds, `None` if nothing but an event can change the decision. `wants`
    are names to ask for.
    """

    actions: tuple[Action, ...]
    status: Status
    unacted: Status
    events: tuple[Event, ...]
    look_again: float | None
    wants: tuple[Want, ...] = ()

    @property
    def begins(self) -> str | None:
        """The part of a run whose attempt begins, see `observed.Pod`; `None` where none does."""
        labels = (pod["metadata"]["labels"] for pod in self.pods)
        return next((it.get(LABEL_PLATFORM, "") for it in labels), None)

    @property
    def makes_pods(self) -> bool:
        """Whether any pod is made, to build or for an errand of the run."""
        return any(isinstance(act, Create) and act.manifest["kind"] == "Pod" for act in self.actions)

    @property
    def pods(self) -> list[Manifest]:
        """The pods that are made to build."""
        made = (act.manifest for act in self.actions if isinstance(act, Create))
        return [it for it in made if it["kind"] == "Pod" and LABEL_ERRAND not in it["metadata"]["labels"]]


def decided(
    build: ImageBuild,
    report: Status,
    now: datetime,
    *actions: Action,
    unacted: Status | None = None,
    due: datetime | None = None,
) -> Decision:
    """Decide; `due` is when something changes by time alone."""
    return Decision(
        actions=actions,
        status=report,
        unacted=unacted or report,
        events=tuple(filter(None, [event(build.status, report)])),
        look_again=None if due is None else max(0.0, (due - now).total_seconds()),
    )


def earliest(*times: datetime | None) -> datetime | None:
    """Give the first of some times, of which any may be none."""
    return min((time for time in times if time is not None), default=None)
