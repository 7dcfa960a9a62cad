"""`wait`: until a build has come to something, told by the exit code.

0 it has; 1 it cannot any more, since the build has failed, was suspended or deleted; 124 it took too long.
"""

import re
import threading
from collections.abc import Callable

from kubectl_imagebuild.build import FAILED, SUCCEEDED, SUSPENDED, Build
from kubectl_imagebuild.errors import PluginError
from kubectl_imagebuild.kubectl import RESOURCE
from kubectl_imagebuild.progress.conclusion import failure, success
from kubectl_imagebuild.verbs.asked import Asked

TIMED_OUT = 124
"""As of timeout(1)."""

_SPAN = re.compile(r"(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,6})s)?", re.ASCII)
_CONDITION = re.compile(r"condition=([A-Za-z]+)(?:=([A-Za-z]+))?", re.ASCII)


def run(asked: Asked) -> int:
    """Wait; returns the exit code."""
    name, wanted = asked.arguments.name, asked.arguments.wanted
    holds, timeout = _condition(wanted), _seconds(asked.arguments.timeout)
    last = [Build({})]
    ended: list[PluginError | None] = []

    def look() -> None:
        try:
            for build in asked.kubectl.changes(name):
                last[0] = build
                if holds(build) or _is_stuck(build):
                    ended.append(None)
                    return
        except PluginError as error:
            ended.append(error)

    looking = threading.Thread(target=look, daemon=True)
    looking.start()
    looking.join(timeout)
    if not ended:
        raise PluginError(
            f"{name} did not come to {wanted} within {asked.arguments.timeout}:"
            f" {last[0].phase}: {last[0].message}"
            f"; 'kubectl imagebuild describe {name}' tells more",
            TIMED_OUT,
        )
    if ended[0]:
        raise ended[0]
    return _tell(asked, last[0], holds=holds(last[0]), wanted=wanted)


def _tell(asked: Asked, build: Build, *, holds: bool, wanted: str) -> int:
    if build.phase == FAILED:
        for line in failure(build):
            asked.notes.write(f"{line}\n")
    elif not holds:
        asked.notes.write(
            f"error: {build.key} is {build.phase} and does not come to {wanted}:"
            f" 'kubectl imagebuild rebuild {build.name}' builds it\n"
        )
    elif not asked.arguments.output:
        asked.out.write(
            f"{success(build) if build.phase == SUCCEEDED else f'{build.key} is {build.phase}'}\n"
        )
    if holds and asked.arguments.output:
        asked.out.write(asked.kubectl.run("get", RESOURCE, build.name, "-o", asked.arguments.output))
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
