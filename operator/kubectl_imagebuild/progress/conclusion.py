"""What has come of a build, in lines for people."""

from collections.abc import Iterator

from kubectl_imagebuild.build import SUCCEEDED, Build
from kubectl_imagebuild.progress.screen import printed
from kubectl_imagebuild.progress.state import State
from kubectl_imagebuild.writing import one_line
from yadokari_api.reasons import advice

_MOST_LINES = 20


def conclusion(state: State) -> Iterator[str]:
    """Tell what has come of a build that was followed: the image, or the failed step's last lines and why."""
    if state.build.phase == SUCCEEDED:
        yield success(state.build)
        return
    step = state.unended
    tail = [text for text in map(printed, step.tail) if text][-_MOST_LINES:] if step else []
    if step and tail:
        yield from ("------", f" > {step.label} {one_line(step.text)}:", *tail, "------")
    yield from failure(state.build)


def success(build: Build) -> str:
    """Tell of an image."""
    took = build.text("status", "run", "duration")
    image = build.text("status", "output", "ref") or build.image
    return f"{build.key} succeeded{f' in {took}' if took else ''}: {image}"


def failure(build: Build) -> Iterator[str]:
    """Tell why a build failed, and what to do."""
    reason = build.text("status", "failure", "reason") or build.reason
    yield f"error: {build.key}: {reason}: {build.text('status', 'failure', 'message') or build.message}"
    if to_do := advice(reason):
        yield f"what to do: {to_do}"
