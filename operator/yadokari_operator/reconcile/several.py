"""What is reported of a run while it lasts: what its pod does, or that of each of several platforms."""

from collections.abc import Mapping, Sequence

from yadokari_api.reasons import StateReason
from yadokari_api.status import LiveProgress, Phase
from yadokari_contract.progress import Progress
from yadokari_operator.pods.outcome import Running, Waiting
from yadokari_operator.reconcile.attempts import told
from yadokari_operator.reconcile.live import all_push, furthest_back, lives
from yadokari_operator.reconcile.track import Done, Lasts, Pauses, Track, Verdict, problem_of
from yadokari_operator.reports import Summary

Verdicts = Sequence[tuple[Track, Verdict]]


def summed_up(verdicts: Verdicts, known: Mapping[str, Progress], stored: LiveProgress | None) -> Summary:
    """Tell what all platforms do, the phase of the one furthest on, the reason of one that has trouble.

    `known` is how far pods have come, `stored` what was told of that before, see `live.lives`.
    """
    message = "; ".join(track.named(_told(track, verdict)) for track, verdict in verdicts)
    waiting = [it.outcome for _, it in verdicts if isinstance(it, Lasts) and isinstance(it.outcome, Waiting)]
    told = lives(_running(verdicts), known, stored)
    progress = furthest_back(told)
    failures = [it.failure for _, it in verdicts if isinstance(it, Pauses)]
    problems = [*(it.reason for it in waiting if it.problem), *(it.reason for it in failures)]
    phase: Phase = "Building" if told else "Retrying" if failures else "Pending"
    if problems:
        return Summary(phase, problems[0], message, is_troubled=True, progress=progress)
    if told:
        pushes = all_push(told) and len(told) + _done(verdicts) == len(verdicts)
        reason = StateReason.PUSHING if pushes else StateReason.BUILDING
        return Summary(phase, reason, message, progress=progress)
    reason = next((it.reason for it in waiting), StateReason.SCHEDULING)
    return Summary(phase, reason, message)


def _running(verdicts: Verdicts) -> list[tuple[str, str]]:
    return [
        (track.platform if track.part else "", it.pod.name)
        for track, it in verdicts
        if isinstance(it, Lasts) and isinstance(it.outcome, Running)
    ]


def _done(verdicts: Verdicts) -> int:
    return sum(isinstance(it, Done) for _, it in verdicts)


def _told(track: Track, verdict: Verdict) -> str:
    match verdict:
        case Lasts(pod, Running(), _):
            return f"attempt {pod.attempt} runs in pod {pod.name}"
        case Lasts(pod, Waiting() as waiting, _):
            return problem_of(waiting, track.platform) or told(pod, waiting)
        case Pauses(failure, _):
            return f"attempt {track.after.attempt} failed and is followed by another one: {failure.message}"
        case Done():
            return "built"
    return "about to start"
