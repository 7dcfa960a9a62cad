"""`wait`: until a build has come to something, told by the exit code.

0 it has; 1 it cannot any more, since the build has failed, was suspended or deleted; 124 it took too long.
"""

import re
import threading
import time
from collections.abc import Callable

from kubectl_imagebuild.build import FAILED, SUCCEEDED, SUSPENDED, Build
from kubectl_imagebuild.errors import PluginError
from kubectl_imagebuild.kubectl import RESOURCE
from kubectl_imagebuild.progress.conclusion import failure, success
from kubectl_imagebuild.verbs.asked import Asked
from kubectl_imagebuild.writing import one_line

TIMED_OUT = 124
"""As of timeout(1)."""

_SPAN = re.compile(r"(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,6})s)?", re.ASCII)
_CONDITION = re.compile(r"condition=([A-Za-z]+)(?:=([A-Za-z]+))?", re.ASCII)


def run(asked: Asked) -> int:
    """Wait for one after the other, all within the same time; returns the exit code."""
    holds = _condition(asked.arguments.wanted)
    end = time.monotonic() + _seconds(asked.arguments.timeout)
    codes = []
    for name, namespace in _meant(asked):
        try:
            build = _come(asked, name, namespace, holds, end)
            codes.append(_tell(asked, build, holds=holds(build)))
        except PluginError as error:
            asked.notes.write(f"error: {one_line(str(error))}\n")
            codes.append(error.code)
    return next(filter(None, codes), 0)


def _meant(asked: Asked) -> list[tuple[str, str]]:
    """Tell names, and namespaces other than that of the context; raises PluginError where there are none."""
    arguments = asked.arguments
    is_chosen = bool(arguments.all or asked.chosen)
    if is_chosen == bool(arguments.names):
        raise PluginError("which builds to wait for is said by names, or else by --all, -l or -A", 2)
    if not is_chosen:
        return [(name, "") for name in arguments.names]
    found = asked.builds()
    if not found:
        raise PluginError("there is no such ImageBuild to wait for")
    return [(build.name, build.namespace) for build in found]


def _come(asked: Asked, name: str, namespace: str, holds: Callable[[Build], bool], end: float) -> Build:
    """Wait until an ImageBuild has come to what holds, or cannot any more. Raises PluginError."""
    left = end - time.monotonic()
    if left > 0:
        last = _watched(asked, name, namespace, lambda build: holds(build) or _is_stuck(build), left)
    else:
        # It may have come to it while others were waited for.
        last = asked.kubectl.build(name, namespace)
    if holds(last) or _is_stuck(last):
        return last
    raise PluginError(
        f"{name} did not come to {asked.arguments.wanted} within {asked.arguments.timeout}:"
        f" {last.phase}: {last.message}"
        f"; 'kubectl imagebuild describe {name}' tells more",
        TIMED_OUT,
    )


def _watched(
    asked: Asked, name: str, namespace: str, is_over: Callable[[Build], bool], seconds: float
) -> Build:
    """Watch an ImageBuild until it is over, or for so long; gives it as it was then. Raises PluginError."""
    last = [Build({})]
    failed: list[PluginError] = []

    def look() -> None:
        try:
            for build in asked.kubectl.changes(name, namespace):
                last[0] = build
                if is_over(build):
                    return
        except PluginError as error:
            failed.append(error)

    looking = threading.Thread(target=look, daemon=True)
    looking.start()
    looking.join(seconds)
    if failed:
        raise failed[0]
    return last[0]


def _tell(asked: Asked, build: Build, *, holds: bool) -> int:
    wanted, output = asked.arguments.wanted, asked.arguments.output
    if build.phase == FAILED:
        for line in failure(build):
            asked.notes.write(f"{line}\n")
    elif not holds:
        asked.notes.write(
            f"error: {build.key} is {build.phase} and does not come to {wanted}:"
            f" 'kubectl imagebuild rebuild {build.name}' builds it\n"
        )
    elif not output:
        asked.out.write(
            f"{success(build) if build.phase == SUCCEEDED else f'{build.key} is {build.phase}'}\n"
        )
    if holds and output:
        where = ("--namespace", build.namespace)
        asked.out.write(asked.kubectl.run("get", RESOURCE, build.name, *where, "-o", output))
    return 0 if holds else 1


def _condition(wanted: str) -> Callable[[Build], bool]:
    """Read `--for`; raises PluginError."""
    match wanted:
        case "succeeded":
            return lambda build: build.phase == SUCCEEDED
        case "finished":
            return lambda build: build.is_finished
        case "started":
            return lambda build: build.has_started
    found = _CONDITION.fullmatch(wanted)
    if not found:
        raise PluginError(
            f"--for={wanted} is not known: succeeded, finished, started or condition=TYPE[=STATUS] are", 2
        )
    kind, status = found[1], (found[2] or "True").lower()
    return lambda build: build.is_observed and build.condition(kind)[0].lower() == status


def _is_stuck(build: Build) -> bool:
    return build.is_finished or build.phase == SUSPENDED


def _seconds(text: str) -> float:
    """Read a span of time such as 1h30m; raises PluginError."""
    found = _SPAN.fullmatch(text)
    if not (text and found):
        raise PluginError(f"--timeout={text} is no span of time: write it like 90s, 15m or 1h30m", 2)
    hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return hours * 3600.0 + minutes * 60 + seconds
