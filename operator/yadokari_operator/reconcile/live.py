"""How far the pods of a run have come that build right now, by their logs."""

from collections.abc import Iterable, Mapping, Sequence

from yadokari_api.status import LiveProgress
from yadokari_contract.progress import Progress

# Of an instruction, in the column that `kubectl get` shows.
_LONGEST = 48


def lives(
    running: Iterable[tuple[str, str]], known: Mapping[str, Progress], stored: LiveProgress | None
) -> list[LiveProgress | None]:
    """Tell of each pod that runs, given as its platform (if there are several) and its name.

    An operator that has only just begun to follow a log knows nothing of it: what is stored stays then.
    """
    before = {stored.platform or "": stored} if stored else {}
    return [live(known[pod], platform) if pod in known else before.get(platform) for platform, pod in running]


def live(progress: Progress, platform: str = "") -> LiveProgress:
    """Tell of one of them."""
    count = f" {progress.step}/{progress.steps}" if progress.steps else ""
    where = f" {platform}" if platform else ""
    colon = ":" if count or where else ""
    text = progress.text if len(progress.text) <= _LONGEST else f"{progress.text[: _LONGEST - 1]}…"
    return LiveProgress(
        phase=progress.phase,
        platform=platform or None,
        step=progress.step or None,
        steps=progress.steps or None,
        text=progress.text,
        summary=f"{progress.phase}{count}{where}{colon} {text}",
    )


def furthest_back(told: Sequence[LiveProgress | None]) -> LiveProgress | None:
    """Give that of the pod with most left to do, for which all others wait; the first of equals."""
    return min((it for it in told if it is not None), key=_done, default=None)


def all_push(told: Sequence[LiveProgress | None]) -> bool:
    """Whether there are pods that run, and each pushes."""
    return bool(told) and all(it is not None and it.phase == "Pushing" for it in told)


def _done(it: LiveProgress) -> float:
    return 1.0 if it.phase == "Pushing" else ((it.step or 1) - 1) / (it.steps or 1)
