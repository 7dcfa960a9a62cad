"""Which run the current inputs are in: the one that the status tells of, or another that begins."""

from dataclasses import replace
from datetime import datetime

from yadokari_api.status import UNCHANGED, ArtifactStatus, Output, Status
from yadokari_operator.pods.inputs.gathered import Inputs, run_of
from yadokari_operator.pods.names import run_in
from yadokari_operator.pods.observed import Standing
from yadokari_operator.reconcile.decision import Observed
from yadokari_operator.reconcile.rebuilds.rebuild import due_again
from yadokari_operator.reports import Cause


def identify(observed: Observed, inputs: Inputs, now: datetime) -> tuple[str, Status | None, Cause]:
    """Tell the run that these inputs are in, how far it has come if it had begun, and else why it begins.

    A run begins when what makes the image has changed, when the annotation asks for it, and, after a failure,
    when anything of the spec has changed: that may be what mends it. It also does when `rebuild` says so.
    """
    build, before = observed.build, observed.build.status
    new, current = run_of(build, inputs), run_in(build.key.name, before.run.pod) or _run_before(observed)
    same = before.inputs_hash in (inputs.hash, inputs.former_hash)
    asked = is_asked_for(observed) and new != current
    mended = before.phase == "Failed" and before.observed_generation != build.generation
    if asked:
        return new, None, Cause("Requested")
    if not same:
        return new, None, _changed(before, inputs)
    if mended:
        return new, None, Cause("SpecChanged")
    again = due_again(observed, inputs.spec, now)
    if again is not None:
        return run_of(build, inputs, before.run.number + 1), None, again
    return current or _begun(observed, inputs), _as_of_now(before, inputs), Cause("Created")


def is_asked_for(observed: Observed) -> bool:
    """Whether the annotation asks for a build that has not begun."""
    return observed.build.rebuild not in ("", observed.build.status.rebuild_requested_at)


def with_artifact(status: Status, inputs: Inputs) -> Status:
    """Name the artifact of Flux that a run is of."""
    found = inputs.artifact
    artifact = ArtifactStatus(revision=found.revision, digest=found.digest) if found else None
    return replace(status, artifact=artifact)


def _changed(before: Status, inputs: Inputs) -> Cause:
    """Tell what has changed; where that is the artifact of Flux, from which revision to which."""
    if not before.run.number:
        return Cause("Created")
    old, new = before.artifact, inputs.artifact
    if old is None or new is None or old.digest == new.digest:
        return Cause("InputsChanged")
    return Cause("SourceChanged", f"the artifact moved from {old.revision} to {new.revision}")


def _begun(observed: Observed, inputs: Inputs) -> str:
    """Tell the run that had begun without a pod, or is to begin."""
    run = observed.build.status.run
    return run_of(observed.build, inputs, run.number if run.reason in UNCHANGED else 0)


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
