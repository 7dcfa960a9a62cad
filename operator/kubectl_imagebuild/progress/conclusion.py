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
    # The operator's account of the output has none of what the executor said after it.
    told = state.build.lines("status", "failure", "logTail").rstrip("\n").split("\n")
    tail = [text for text in map(printed, told if any(told) else step.tail if step else ()) if text]
    if step and tail:
        yield from ("------", f" > {step.label} {one_line(step.text)}:", *tail[-_MOST_LINES:], "------")
    yield from failure(state.build)


def success(build: Build) -> str:
    """Tell of an image."""
    took = build.text("status", "run", "duration")
    image = build.text("status", "output", "ref") or build.image
    return f"{build.key} succeeded{f' in {took}' if took else ''}: {image}"


def failure(build: Build) -> Iterator[str]:
    """Tell why a build failed, with the lines of the Dockerfile where they are told, and what to do."""
    path = ("status", "failure")
    reason = build.text(*path, "reason") or build.reason
    yield f"error: {build.key}: {reason}: {build.headline(*path, 'message') or build.message}"
    yield from build.more_lines(*path, "message")
    if to_do := advice(reason):
        yield f"what to do: {to_do}"
