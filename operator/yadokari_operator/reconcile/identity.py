"""Which run the current inputs are in: the one that the status tells of, or another that begins."""

from dataclasses import replace

from yadokari_api.status import Output, RunReason, Status
from yadokari_operator.pods.inputs import Inputs, run_of
from yadokari_operator.pods.names import run_in
from yadokari_operator.pods.observed import Standing
from yadokari_operator.reconcile.decision import Observed


def identify(observed: Observed, inputs: Inputs) -> tuple[str, Status | None, RunReason]:
    """Tell the run that these inputs are in, how far it has come if it had begun, and else why it begins.

    A run begins when what makes the image has changed, when the annotation asks for it, and, after a failure,
    when anything of the spec has changed: that may be what mends it.
    """
    build, before = observed.build, observed.build.status
    new, current = run_of(build, inputs), run_in(build.key.name, before.run.pod) or _run_before(observed)
    same = before.inputs_hash in (inputs.hash, inputs.former_hash)
    asked = is_asked_for(observed) and new != current
    mended = before.phase == "Failed" and before.observed_generation != build.generation
    if asked:
        return new, None, "Requested"
    if not same:
        return new, None, "InputsChanged" if before.run.number else "Created"
    if mended:
        return new, None, "SpecChanged"
    return current or new, _as_of_now(before, inputs), "Created"


def is_asked_for(observed: Observed) -> bool:
    """Whether the annotation asks for a build that has not begun."""
    return observed.build.rebuild not in ("", observed.build.status.rebuild_requested_at)


def _run_before(observed: Observed) -> str:
    """Tell the run of a status that does not name its pod, as those of versions before may not any more."""
    if observed.build.status.run.queued_at is not None:
        return ""
    pods = [pod for pod in observed.pods if pod.standing is Standing.OURS and pod.deleted is None]
    return max(pods, key=lambda pod: (pod.created, pod.attempt)).run if pods else ""


def _as_of_now(before: Status, inputs: Inputs) -> Status:
    """Name the inputs and the image as they are called now: destinations may have changed their order."""
    output = before.output
    if output is not None:
        images = [to.image for to in inputs.spec.destinations]
        output = Output.at(images, output.digest, output.size, output.platforms)
    return replace(before, inputs_hash=inputs.hash, output=output)
