"""An operator takes over what operators before it left, with builds running, on a real API server.

tests/data/former holds what those of some commits of this project left: they were killed when some builds had
ended and others were under way. `messages` is what their executors say at a build's end.
"""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from support.operator_process import DIGEST, wait_until
from support.town import Town

pytestmark = [pytest.mark.cluster, pytest.mark.api_server, pytest.mark.long]

FORMER = Path(__file__).parents[1] / "data/former"
_FORM = "%Y-%m-%dT%H:%M:%SZ"
PATIENCE = 60
RUNNING = [("running", "built", 1), ("running-to-fail", "failed", 1), ("retried", "built", 2)]
"""Builds under way, what their executors are going to say, and in which attempt."""


class Upgraded:
    """A town with what a former operator left, just now; `pods` are the names of its pods."""

    def __init__(self, town: Town, left: dict[str, Any]) -> None:
        self.town = town
        self.messages: dict[str, tuple[int, str]] = left["messages"]
        self.pods: set[str] = {it["metadata"]["name"] for it in left["resources"] if it["kind"] == "Pod"}
        for resource in left["resources"]:
            resource["metadata"]["namespace"] = town.kubectl.namespace
            town.plane.store(resource)

    def status(self, name: str) -> dict[str, Any]:
        """Read the status of a build."""
        status: dict[str, Any] = self.town.kubectl.get("imagebuild", name)["status"]
        return status

    def wait_for(self, name: str, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait for something to hold of a status."""
        wait_until(lambda: holds(self.status(name)), seconds=PATIENCE)
        return self.status(name)

    def pod(self, name: str, attempt: int = 1) -> str:
        """Name the pod of an attempt."""
        return next(it for it in self.pods if re.fullmatch(rf"{name}-[0-9a-f]{{10}}-{attempt}", it))


def is_in(phase: str) -> Callable[[dict[str, Any]], bool]:
    """Whether a status is of a phase."""
    return lambda status: status["phase"] == phase


def goes_on_in(pod: str) -> Callable[[dict[str, Any]], bool]:
    """Whether a status, as it is written today, names a pod."""
    return lambda status: status.get("run", {}).get("pod") == pod


def as_of_now(text: str) -> str:
    """Move all times, so that the latest one is now."""
    times = {datetime.strptime(it, _FORM) for it in re.findall(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", text)}
    later = datetime.now(UTC).replace(tzinfo=None) - max(times)
    for time in sorted(times, reverse=True):
        text = text.replace(time.strftime(_FORM), (time + later).strftime(_FORM))
    return text


@pytest.fixture(params=sorted(FORMER.glob("*.json")), ids=lambda file: file.stem)
def upgraded(found: Callable[[str], Town], request: pytest.FixtureRequest) -> Upgraded:
    left = json.loads(as_of_now(request.param.read_text()))
    town = found(f"after-{request.param.stem}")
    return Upgraded(town, left)


def test_an_upgrade_takes_over_what_runs_and_builds_nothing_anew(upgraded: Upgraded) -> None:
    town = upgraded.town
    operator = town.operator("operator", YADOKARI_IDENTITY="it")
    # What ran goes on, in the pods that were there, and ends with what the executor of that time says.
    for name, said, attempt in RUNNING:
        pod = upgraded.pod(name, attempt)
        upgraded.wait_for(name, goes_on_in(pod))
        assert upgraded.status(name)["phase"] == "Building"
        wait_until(partial(town.nodes.end, pod, *upgraded.messages[said]))
    for name, attempt in (("running", 1), ("retried", 2), ("waiting", 1)):
        status = upgraded.wait_for(name, is_in("Succeeded"))
        assert (status["run"]["pod"], status["run"]["attempt"]) == (upgraded.pod(name, attempt), attempt)
        assert status["output"]["digest"] == status["lastSucceeded"]["digest"] == DIGEST
    failure = upgraded.wait_for("running-to-fail", is_in("Failed"))["failure"]
    assert (failure["line"], "exit code 7" in failure["message"]) == (2, True)

    # What had ended stays as it was, also if its spec changes in what does not make the image.
    for name in ("built", "built-of-all"):
        # To the first version a timeout was a part of what makes the image.
        upgraded.wait_for(name, lambda status: status.get("output", {}).get("digest") == DIGEST)
        town.kubectl("patch", "imagebuild", name, "--type=merge", "-p", '{"spec": {"timeout": "20m"}}')
        status = upgraded.wait_for(name, lambda status: status["observedGeneration"] == 2)
        assert (status["phase"], status["output"]["digest"]) == ("Succeeded", DIGEST)
    failed = upgraded.status("failed")
    assert (failed["phase"], failed["failure"]["line"]) == ("Failed", 2)

    # What could not begin does when it can.
    town.kubectl("create", "configmap", "not-there", "--from-literal=app=FROM scratch")
    upgraded.wait_for("lacking", is_in("Succeeded"))
    assert dict(town.nodes.started) == {"waiting": 1, "lacking": 1}
    assert "error of the operator itself" not in operator.log
    operator.stop()
