"""`explain`: what a reason means for whoever sees it."""

from collections.abc import Iterator

from kubectl_imagebuild.errors import PluginError
from kubectl_imagebuild.verbs.asked import Asked
from kubectl_imagebuild.writing import table
from yadokari_api.reasons import StateReason, advice
from yadokari_contract.reasons import Reason, Retry
from yadokari_contract.suggestion import suggest

ALL: tuple[Reason | StateReason, ...] = (*StateReason, *Reason)
"""Every reason that there is."""


def run(asked: Asked) -> int:
    """Explain a reason, or list all; returns the exit code."""
    wanted = asked.arguments.reason
    if not wanted:
        rows = [(reason, reason.retry.value, advice(reason)) for reason in sorted(ALL)]
        lines = table(("REASON", "TRIED AGAIN", "WHAT TO DO"), rows)
    else:
        lines = list(_explained(_find(wanted)))
    for line in lines:
        asked.out.write(f"{line}\n")
    return 0


def _find(wanted: str) -> Reason | StateReason:
    lower = {reason.lower(): reason for reason in ALL}
    if found := lower.get(wanted.lower()):
        return found
    close = lower.get(suggest(wanted.lower(), lower))
    hint = f"did you mean {close}?" if close else "'kubectl imagebuild explain' lists all"
    raise PluginError(f"{wanted!r} is no reason of an ImageBuild: {hint}", 2)


def _explained(reason: Reason | StateReason) -> Iterator[str]:
    yield f"Reason:       {reason}"
    yield f"Tried again:  {_RETRIES[reason.retry]}"
    if isinstance(reason, Reason):
        yield f"Exit code:    {reason.exit_code}"
        yield f"Who can act:  {reason.actor.value}"
    yield f"What to do:   {advice(reason) or 'nothing'}"


_RETRIES = {
    Retry.NEVER: "no",
    Retry.COUNTED: "as often as spec.retries says",
    Retry.UNCOUNTED: "as often as it happens, or it goes on by itself",
}
