"""What `rebuild` of a spec takes: when a run begins though nothing of its inputs has changed.

All of it is told from the status and from what was found out by asking, so that nothing is lost or done twice
where the operator is started anew. What has moved while something else kept a run from beginning is found to
have moved the next time.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from yadokari_api.fields import seconds
from yadokari_api.rebuild import Asking
from yadokari_api.spec import ImageBuildSpec
from yadokari_api.status import Asked, RunReason, ScheduleStatus, Status
from yadokari_contract import references
from yadokari_contract.results.answers import ResolveResult
from yadokari_contract.results.build import Failure
from yadokari_contract.verbs import RESOLVE
from yadokari_operator.pods.errands.observed import Answered, ErrandPod
from yadokari_operator.pods.given.sources import repository
from yadokari_operator.pods.observed import Standing
from yadokari_operator.pods.outcome import Failed, Waiting
from yadokari_operator.reconcile.cleaning import GRACE
from yadokari_operator.reconcile.decision import Answer, Decision, Delete, Observed, Want, earliest
from yadokari_operator.reconcile.rebuilds.timetable import Timetable
from yadokari_operator.reports import Cause, format_time

_FIRST_DELAY = timedelta(minutes=1)
_MOST_DOUBLINGS = 16
_WHILE_ASKED = timedelta(minutes=5)
_SKEW = timedelta(minutes=10)
"""What is further ahead than clocks differ was written by one that was set back since: it does not count."""
_LONGEST = 512
_NEVER = "1970-01-01T00:00:00Z"
_TAGGED = re.compile(rf"(?:{references.DOMAIN}/)?{references.PATH}(?::{references.TAG})?", re.ASCII)
"""What names of images may move; they become arguments, and whoever may write a status may write others."""

_MOVED: frozenset[RunReason] = frozenset({"BaseImageChanged", "GitChanged"})


@dataclass(frozen=True, slots=True)
class _Followed:
    """A name that is followed: what is built was made with `built`, and `asked` is what is known since."""

    name: str
    interval: timedelta
    reason: RunReason
    built: frozenset[str]
    asked: Asked | None

    def moved_to(self, answer: Answer | None) -> str:
        """Tell what it stands for by now, if that is another thing than what was built and found before."""
        known = self.built | ({self.asked.resolved} if self.asked and self.asked.resolved else set())
        found = answer.resolved if answer else ""
        return found if found and known and found not in known else ""

    def noted(self, answer: Answer | None, *, heeded: bool) -> Asked | None:
        """Add what was found out, unless it moved and no run begins for that."""
        before = self.asked
        if answer is None:
            return before
        known, failures = (before.resolved, before.failures or 0) if before else (None, 0)
        time = format_time(answer.time)
        if not answer.resolved:
            message = answer.failure[:_LONGEST]
            return Asked(name=self.name, time=time, resolved=known, failures=failures + 1, message=message)
        resolved = answer.resolved if heeded or not self.moved_to(answer) else known
        return Asked(name=self.name, time=time, resolved=resolved)

    def due(self, built: datetime) -> datetime:
        """Tell when to ask again, after what was built at a time; sooner where there was no answer."""
        if self.asked is None or not self.asked.failures:
            last = datetime.fromisoformat(self.asked.time) if self.asked else built
            return max(last, built) + self.interval
        delay = _FIRST_DELAY * 2 ** min(self.asked.failures - 1, _MOST_DOUBLINGS)
        after: timedelta = min(delay, self.interval)
        return datetime.fromisoformat(self.asked.time) + after


def due_again(observed: Observed, spec: ImageBuildSpec, now: datetime) -> Cause | None:
    """Tell why a run begins whose inputs are those of the one before; that must have ended."""
    before = observed.build.status
    if spec.rebuild is None or spec.suspend or not before.finished:
        return None
    if spec.rebuild.schedule:
        table = Timetable.of(spec.rebuild.schedule, now)
        due = _next(before, table, now)
        if due is not None and due <= now:
            return Cause("Scheduled", f"{table.text} was due at {format_time(due)}")
    for followed in _followed(spec, before, now):
        answer = _answer(followed, observed.answers, before, now)
        moved = followed.moved_to(answer)
        if moved:
            was = followed.asked.resolved if followed.asked and followed.asked.resolved else None
            return Cause(
                followed.reason, f"{followed.name} moved from {was or min(followed.built)} to {moved}"
            )
    return None


def looked_ahead(observed: Observed, spec: ImageBuildSpec, decision: Decision, now: datetime) -> Decision:
    """Add to a decision what `rebuild` takes: what is noted, what is to be asked for, when to look again."""
    before, after = observed.build.status, decision.status
    rebuild = spec.rebuild
    begins = after.run.number > before.run.number
    schedule = _schedule(spec, before, after, now)
    noted = tuple(_noted(observed, spec, now, heeded=begins))
    wants: tuple[Want, ...] = ()
    due: datetime | None = None
    if rebuild is not None and after.finished and not spec.suspend:
        ended = _ended(after, now)
        followed = _followed(spec, replace(after, asked=noted), now)
        wants = tuple(Want(it.name, it.due(ended), it.interval) for it in followed)
        due = earliest(
            datetime.fromisoformat(schedule.next) if schedule and schedule.next else None,
            *(want.due if want.due > now else now + _WHILE_ASKED for want in wants),
        )
    out = asking(observed.errands)
    over = [errand for errand in out if is_over(errand, now)]
    due = earliest(due, *(_end(errand) for errand in out if errand not in over))
    return replace(
        decision,
        actions=(*decision.actions, *(Delete("Pod", it.name, it.uid) for it in over if it.deleted is None)),
        status=replace(after, schedule=schedule, asked=noted),
        unacted=replace(decision.unacted, schedule=schedule, asked=noted),
        look_again=_sooner(decision.look_again, due, now),
        wants=(*decision.wants, *wants),
    )


def _sooner(look_again: float | None, due: datetime | None, now: datetime) -> float | None:
    if due is None:
        return look_again
    left = max(0.0, (due - now).total_seconds())
    return left if look_again is None else min(left, look_again)


def asking(errands: Iterable[ErrandPod]) -> list[ErrandPod]:
    """Give the pods that ask and that we made; of others an answer may be anything."""
    return [it for it in errands if it.verb == RESOLVE.name and it.standing is Standing.OURS]


def is_over(errand: ErrandPod, now: datetime) -> bool:
    """Whether the pod of an errand has ended, or should have long ago."""
    return errand.finished is not None or now >= _end(errand)


def answers_of(errand: ErrandPod) -> Mapping[str, Answer] | Answer:
    """Tell what a pod has found out that is over, by name, or why it has found out nothing.

    However often that is told, it is known since the same time. The clock of its node counts only within the
    time that the pod may take.
    """
    end = _end(errand)
    match errand.outcome:
        case Answered(ResolveResult() as answer, finished):
            time = min(max(finished, errand.created), end)
            return {it.name: Answer(time, it.resolved, _told(it.failure)) for it in answer.items}
        case Failed(failure, finished=finished):
            return Answer(min(max(finished, errand.created), end), failure=_told(failure))
        case Waiting(problem=problem) if problem:
            return Answer(end, failure=f"the pod that asks did not start: {problem}")
    return Answer(end, failure="the pod that asks has not ended in time")


def _told(failure: Failure | None) -> str:
    return f"{failure.reason}: {failure.message}" if failure else ""


def _end(errand: ErrandPod) -> datetime:
    return errand.created + timedelta(seconds=errand.limit or 0) + GRACE


def _schedule(spec: ImageBuildSpec, before: Status, after: Status, now: datetime) -> ScheduleStatus | None:
    """Tell how far the schedule has come; one that is new begins now, so that nothing was missed."""
    if spec.rebuild is None or spec.rebuild.schedule is None:
        return None
    table = Timetable.of(spec.rebuild.schedule, now)
    schedule = before.schedule
    if schedule is None or schedule.text != table.text or _is_ahead(schedule.since, now):
        schedule = ScheduleStatus(text=table.text, since=format_time(now))
    due = _next(replace(after, schedule=schedule), table, now)
    return replace(schedule, next=format_time(due) if due else None)


def _next(status: Status, table: Timetable, now: datetime) -> datetime | None:
    """Tell when the next run is due after the one before, of whatever reason that was."""
    if status.schedule is None or status.schedule.text != table.text:
        return None
    times = [status.schedule.since, *([status.run.queued_at] if status.run.queued_at else [])]
    past = [datetime.fromisoformat(time) for time in times if not _is_ahead(time, now)]
    return table.after(max(past)) if past else None


def _is_ahead(time: str, now: datetime) -> bool:
    return datetime.fromisoformat(time) > now + _SKEW


def _noted(observed: Observed, spec: ImageBuildSpec, now: datetime, *, heeded: bool) -> Iterator[Asked]:
    """Give what is known by asking: while something is built, what was known before."""
    before = observed.build.status
    if not before.finished:
        yield from before.asked if spec.rebuild else ()
        return
    for followed in _followed(spec, before, now):
        noted = followed.noted(_answer(followed, observed.answers, before, now), heeded=heeded)
        if noted is not None:
            yield noted


def _answer(
    followed: _Followed, answers: Mapping[str, Answer], status: Status, now: datetime
) -> Answer | None:
    """Give what was found out since it was built and since it was noted last."""
    answer = answers.get(followed.name)
    ended = _ended(status, now)
    known = datetime.fromisoformat(followed.asked.time) if followed.asked else ended
    return answer if answer and answer.time > max(known, ended) else None


def _ended(status: Status, now: datetime) -> datetime:
    """Tell when a run that has ended did."""
    end = status.run.finished_at or status.run.queued_at or _NEVER
    return datetime.fromisoformat(_NEVER if _is_ahead(end, now) else end)


def _followed(spec: ImageBuildSpec, status: Status, now: datetime) -> Iterator[_Followed]:
    """Give the names that are followed, of a run that has ended; what has a digest never moves."""
    rebuild = spec.rebuild
    if rebuild is None:
        return
    # What was known before a run that began for another reason says nothing of what that was made with.
    ended = _ended(status, now)
    asked = {
        it.name: it
        for it in status.asked
        if not _is_ahead(it.time, now)
        and (status.run.reason in _MOVED or datetime.fromisoformat(it.time) > ended)
    }

    def one(name: str, asking: Asking, reason: RunReason, built: frozenset[str]) -> _Followed:
        interval = timedelta(seconds=seconds(asking.interval))
        return _Followed(name, interval, reason, built, asked.get(name))

    if rebuild.on_base_image_change:
        for name in dict.fromkeys(it.reference for it in status.bases if _TAGGED.fullmatch(it.reference)):
            built = frozenset(base.digest for base in status.bases if base.reference == name)
            yield one(name, rebuild.on_base_image_change, "BaseImageChanged", built)
    if rebuild.on_git_change:
        commit = status.source.commit if status.source else None
        built = frozenset({commit} if commit else ())
        yield one(repository(spec), rebuild.on_git_change, "GitChanged", built)
