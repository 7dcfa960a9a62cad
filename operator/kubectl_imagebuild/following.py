"""A build's logs, attempt after attempt, as they come."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

from kubectl_imagebuild.build import Build, Pod
from kubectl_imagebuild.errors import PluginError
from kubectl_imagebuild.kubectl import Kubectl, failure
from kubectl_imagebuild.writing import parse_time
from yadokari_api.keys import CONTAINER

_LONGEST = 1 << 16
_STARTING = ("waiting to start", "ContainerCreating", "PodInitializing", "does not have a host assigned")
_BEFORE_TRYING_AGAIN = 0.5


@dataclass(frozen=True, slots=True)
class Attempt:
    """The log of an attempt begins."""

    pod: Pod


@dataclass(frozen=True, slots=True)
class Logged:
    """A line of the log, and when it was written, in seconds since 1970."""

    time: float
    text: str


@dataclass(frozen=True, slots=True)
class AttemptEnded:
    """The log of an attempt is at its end."""


Event = Build | Attempt | Logged | AttemptEnded


def follow(kubectl: Kubectl, name: str) -> Iterator[Event]:
    """Yield what happens to a build until it has succeeded or failed for good.

    Of several platforms the logs come one after the other. Raises PluginError, so when it is deleted.
    """
    read: set[str] = set()
    for build in kubectl.changes(name):
        yield build
        for pod in build.pods if build.has_started else ():
            if pod.name not in read:
                read.add(pod.name)
                yield Attempt(pod)
                yield from log(kubectl, pod, build.namespace, follow=True)
                yield AttemptEnded()
        if build.is_finished:
            return


def log(kubectl: Kubectl, pod: Pod, namespace: str, *, follow: bool) -> Iterator[Logged]:
    """Yield the log of an attempt; with `follow` until its container ends. Raises PluginError.

    Of a pod that is gone there is nothing. A connection that breaks is made anew, where it broke.
    """
    last = ""
    while True:
        since = (f"--since-time={last}",) if last else ()
        flags = ("--namespace", namespace, "-c", CONTAINER, "--timestamps", *(["-f"] if follow else []))
        with kubectl.started("logs", pod.name, *flags, *since) as process:
            for line in iter(lambda: process.stdout.readline(_LONGEST) if process.stdout else b"", b""):
                stamp, _, text = line.decode(errors="replace").rstrip("\n").partition(" ")
                moment = parse_time(stamp)
                if moment is None:  # the rest of a line that is too long
                    yield Logged(time.time(), f"{stamp} {text}")
                elif stamp > last:
                    yield Logged(moment.timestamp(), text)
                    last = stamp
            complaint = process.communicate()[1].decode(errors="replace")
        if process.returncode and not any(word in complaint for word in _STARTING):
            if "(NotFound)" in complaint:
                return
            raise failure(complaint)
        if not follow or _has_ended(kubectl, pod, namespace):
            return
        time.sleep(_BEFORE_TRYING_AGAIN)


def _has_ended(kubectl: Kubectl, pod: Pod, namespace: str) -> bool:
    try:
        found = Build(kubectl.json("get", "pod", pod.name, "--namespace", namespace))
    except PluginError:
        return True
    return found.text("status", "phase") in ("Succeeded", "Failed") or any(
        "terminated" in (container.get("state") or {})
        for container in found.items("status", "containerStatuses")
        if container.get("name") == CONTAINER
    )
