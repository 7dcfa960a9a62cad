"""Who wants to know what names point at, and what was found out: one pod asks for all that ask alike."""

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from yadokari_api.keys import Key
from yadokari_contract.results.answers import surely_answered
from yadokari_operator.reconcile.decision import Answer, Want

_LONGEST = timedelta(minutes=5)
"""How long others wait for a pod that asks for them: longer than it may live."""


@dataclass(frozen=True, slots=True)
class _Batch:
    by: Key
    until: datetime
    names: tuple[str, ...]


@dataclass(slots=True)
class _Group:
    """Builds of a namespace that ask alike; what is out at the moment, and what was found out."""

    wants: dict[Key, tuple[Want, ...]] = field(default_factory=dict)
    answers: dict[str, Answer] = field(default_factory=dict)
    out: _Batch | None = None


class Asking:
    """An index over what builds want to know; it fills again when the operator starts.

    What was found out and not yet noted in a status is asked for again then. It may be used from several
    threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._groups: dict[tuple[str, str], _Group] = {}
        self._of: dict[Key, tuple[str, str]] = {}

    def note(self, build: Key, way: str, wants: Iterable[Want]) -> None:
        """Note what a build wants to know and how it asks; nothing when it is gone or follows nothing."""
        name, wanted = (build.namespace, way), tuple(wants)
        with self._lock:
            before = self._of.pop(build, None)
            if before is not None and (before != name or not wanted):
                group = self._groups[before]
                del group.wants[build]
                if group.out and group.out.by == build:
                    group.out = None
                if not group.wants:
                    del self._groups[before]
            if wanted:
                self._of[build] = name
                self._groups.setdefault(name, _Group()).wants[build] = wanted

    def answers(self, build: Key) -> Mapping[str, Answer]:
        """Give what was found out of late, by name."""
        with self._lock:
            group = self._group(build)
            return dict(group.answers) if group else {}

    def batch(self, build: Key, now: datetime) -> tuple[str, ...]:
        """Give names for a build's pod to ask for: all that are due or soon are, if their answers fit.

        The rest comes next. There are none while another build's pod is out for them.
        """
        with self._lock:
            group = self._group(build)
            if group is None or (group.out and group.out.by != build and now < group.out.until):
                return ()
            wants = [want for wanted in group.wants.values() for want in wanted]
            due = sorted((it.due, it.name) for it in wants if it.due <= now + it.interval / 2)
            names = tuple(dict.fromkeys(name for _, name in due))
            names = names[: surely_answered(names)]
            group.out = _Batch(build, now + _LONGEST, names)
            return names

    def learnt(self, build: Key, found: Mapping[str, Answer]) -> frozenset[Key]:
        """Note what a build's pod has found out; tells who else wants to know it, and who asks next."""
        with self._lock:
            group = self._group(build)
            if group is None:
                return frozenset()
            if group.out and group.out.by == build:
                group.out = None
            wanted = {want.name for wants in group.wants.values() for want in wants}
            known = {name: answer for name, answer in group.answers.items() if name in wanted}
            new = {name: it for name, it in found.items() if name in wanted and known.get(name) != it}
            group.answers = known | new
            if not new:
                return frozenset()
            others = {key for key, wants in group.wants.items() if any(it.name in new for it in wants)}
            last = max(answer.time for answer in new.values())
            waiting = (
                (want.due, key)
                for key, wants in group.wants.items()
                for want in wants
                if want.due <= last and want.name not in found
            )
            # One alone, whose pod asks for all that are due: there may be thousands.
            _, following = min(waiting, default=(last, build))
            return frozenset({*others, following} - {build})

    def failed(self, build: Key, why: Answer) -> frozenset[Key]:
        """Note that a build's pod found nothing out; tells whom else that concerns."""
        with self._lock:
            group = self._group(build)
            names = group.out.names if group and group.out and group.out.by == build else ()
        return self.learnt(build, dict.fromkeys(names, why))

    def _group(self, build: Key) -> _Group | None:
        name = self._of.get(build)
        return None if name is None else self._groups[name]
