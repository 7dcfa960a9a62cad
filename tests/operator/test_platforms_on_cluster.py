"""Several platforms, on a real API server: pretended nodes say what becomes of their pods."""

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from support.operator_process import wait_until
from support.pretended import BUILT, Ending
from support.town import Town
from yadokari_contract.reasons import Reason
from yadokari_contract.results.answers import IndexResult, format_index_result
from yadokari_contract.results.build import BuildResult, Failure, format_result

pytestmark = [pytest.mark.cluster, pytest.mark.long]

PLATFORMS = ["linux/amd64", "linux/arm64"]
INDEX = "sha256:" + "2" * 64
INDEXED = Ending(0, format_index_result(IndexResult(digest=INDEX)))
ONCE = Counter(amd64=1, arm64=1, index=1)


def broken(reason: Reason) -> Ending:
    """An executor that has failed."""
    return Ending(reason.exit_code, format_result(BuildResult(failure=Failure(reason, "it failed"))))


class Builds:
    """ImageBuilds for two platforms in a town of their own, and the fate of their pods."""

    def __init__(self, town: Town) -> None:
        self.town = town
        self._namespace = town.kubectl.namespace
        # What becomes of pods, by patterns of their names: the first one counts, and others end well.
        self._fates: dict[str, Ending | None] = {}
        town.nodes.ends = self._end

    def doom(self, fates: Mapping[str, Ending | None]) -> None:
        """Have pods end so, or run on: these patterns come before those of earlier times."""
        self._fates = {**fates, **self._fates}

    def spare(self, pattern: str) -> None:
        """Have a pattern count no more."""
        self._fates = {it: fate for it, fate in self._fates.items() if it != pattern}

    def apply(self, *names: str, **spec: Any) -> None:
        for name in names:
            self.town.build(1, name, platforms=PLATFORMS, **spec)

    def patch(self, name: str, **spec: Any) -> None:
        changes = json.dumps({"spec": spec})
        self.town.kubectl("patch", "imagebuild", f"{name}-0", "--type=merge", "-p", changes)

    def clear(self, name: str) -> None:
        """Clear the status, as whoever restores a cluster without it."""
        cleared = '[{"op": "replace", "path": "/status", "value": {}}]'
        self.town.kubectl(
            "patch", "imagebuild", f"{name}-0", "--subresource=status", "--type=json", "-p", cleared
        )

    def status(self, name: str) -> dict[str, Any]:
        path = f"/apis/yadokari.dev/v1alpha1/namespaces/{self._namespace}/imagebuilds/{name}-0"
        found: dict[str, Any] = self.town.plane.api.request("GET", path).get("status", {})
        return found

    def wait(self, name: str, done: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        wait_until(lambda: done(self.status(name)), 90)
        return self.status(name)

    def attempts(self, name: str) -> Counter[str]:
        """Count the pods of a build that were started, by platform or `index`."""
        started = [it for it in list(self.town.nodes.names) if it.startswith(f"{name}-0-")]
        return Counter(re.findall("amd64|arm64|index", it)[0] for it in started)

    def pods(self, name: str) -> list[str]:
        """Name the pods of a build that are there."""
        found = self.town.plane.api.request("GET", f"/api/v1/namespaces/{self._namespace}/pods")["items"]
        names = [it["metadata"]["name"] for it in found]
        words = "(?:amd64|arm64|index)-[0-9]+$"
        return sorted(re.findall(words, it)[0] for it in names if it.startswith(f"{name}-0-"))

    def _end(self, name: str) -> Ending | None:
        for pattern, fate in self._fates.items():
            if re.match(pattern, name):
                return fate
        return INDEXED if "-index-" in name else BUILT


def is_in(phase: str) -> Callable[[dict[str, Any]], bool]:
    return lambda status: status.get("phase") == phase


def ended(number: int) -> Callable[[dict[str, Any]], bool]:
    """Whether so many runs have ended."""
    return lambda status: len(status.get("history", ())) == number


def is_half_built(status: dict[str, Any]) -> bool:
    """Whether the image of a platform is pushed and that of another one is not."""
    return {bool(it.get("digest")) for it in status.get("run", {}).get("platforms", ())} == {True, False}


def test_platforms_fail_pause_and_outlive_changes_and_a_killed_operator(
    found: Callable[[str], Town],
) -> None:
    builds = Builds(found("platforms"))
    town = builds.town
    builds.doom(
        {
            "fails-.*arm64": broken(Reason.RUN_FAILED),
            "again-.*arm64-1$": broken(Reason.PUSH_FAILED),
            "paused-.*arm64": None,
            "killed-.*arm64": None,
            "(fails|queued|forbidden)-.*linux": None,
        }
    )
    operator = town.operator("first")
    builds.apply("again", "fails", "paused", "killed")
    builds.apply("queued", concurrencyPolicy="Queue")
    builds.apply("forbidden", concurrencyPolicy="Forbid")

    # One platform that fails ends the others, and is named.
    failed = builds.wait("fails", is_in("Failed"))
    assert (failed["message"], failed["failure"]["reason"]) == ("linux/arm64: it failed", "StepFailed")
    wait_until(lambda: builds.pods("fails") == ["arm64-1"])

    # What is suspended is ended, and what was pushed before is not built again.
    builds.wait("paused", is_half_built)
    builds.patch("paused", suspend=True)
    builds.wait("paused", is_in("Suspended"))
    wait_until(lambda: builds.pods("paused") == ["amd64-1"])
    builds.spare("paused-.*arm64")
    builds.patch("paused", suspend=False)

    # Changes come while builds run, which end as they began, tried again if need be.
    for name in ("queued", "forbidden"):
        wait_until(lambda: builds.attempts(name) == Counter(amd64=1, arm64=1))  # noqa: B023
        builds.patch(name, dockerfile="FROM scratch\nLABEL changed=1\n")
        builds.wait(name, lambda status: "the inputs have changed since" in status["message"])
    old = [it for it in list(town.nodes.names) if it.startswith(("queued", "forbidden"))]
    builds.doom({re.escape(it): broken(Reason.PUSH_FAILED) for it in old if it.endswith("arm64-1")})
    builds.spare("(fails|queued|forbidden)-.*linux")

    # The last platform is built while no operator is there to publish the index.
    builds.wait("killed", is_half_built)
    operator.kill()
    builds.spare("killed-.*arm64")
    wait_until(lambda: town.nodes.ended["killed-0"] == 2)
    operator.start()

    for name in ("killed", "again", "paused"):
        assert builds.wait(name, is_in("Succeeded"))["output"]["digest"] == INDEX
    assert builds.attempts("killed") == ONCE
    assert builds.attempts("again") == builds.attempts("paused") == ONCE + Counter(arm64=1)
    tried = builds.status("again")["run"]["platforms"]
    assert [(it["attempt"], it["retries"]) for it in tried] == [(1, 0), (2, 1)]
    queued, forbidden = builds.wait("queued", ended(2)), builds.wait("forbidden", ended(1))
    assert [it["digest"] for it in queued["history"]] == [INDEX, INDEX]
    assert [it["digest"] for it in forbidden["history"]] == [INDEX]
    assert builds.attempts("queued") == ONCE + ONCE + Counter(arm64=1)
    assert builds.attempts("forbidden") == ONCE + Counter(arm64=1)
    # A status that is cleared in place, as of a cluster that was restored: what is pushed is there already.
    town.kubectl(
        "delete", "pods", *(it for it in town.nodes.names if it.startswith("again-")), "--ignore-not-found"
    )
    found_again = BuildResult(digest="sha256:" + "3" * 64, already_pushed=True)
    builds.doom({"again-.*linux": Ending(0, format_result(found_again))})
    builds.clear("again")
    status = builds.wait("again", is_in("Succeeded"))
    assert (status["conditions"][0]["reason"], status["output"]["digest"]) == ("AlreadyPushed", INDEX)
    assert builds.attempts("again") == ONCE + ONCE + Counter(arm64=1)

    # Where the pods are still there, they tell.
    builds.clear("killed")
    assert builds.wait("killed", is_in("Succeeded"))["output"]["digest"] == INDEX
    assert builds.attempts("killed") == ONCE + Counter(index=1)

    # Pods of builds are kept for their logs; those of indexes and ConfigMaps go at once.
    wait_until(lambda: not any("index" in it or it.startswith("configmap/") for it in town.left()))
    left = [it["metadata"] for it in town.kubectl.get("pods")["items"]]
    assert {it["ownerReferences"][0]["kind"] for it in left} == {"ImageBuild"}


def test_platforms_of_several_builds_take_turns_where_one_may_run(found: Callable[[str], Town]) -> None:
    builds = Builds(found("one-at-a-time"))
    builds.town.nodes.seconds = 0.3
    builds.doom({"one-.*": None})
    builds.town.operator("first", YADOKARI_MAX_BUILDS="1")
    builds.apply("one", concurrencyPolicy="Queue")
    wait_until(lambda: builds.attempts("one").total() == 1)
    builds.apply("two", "three")
    # It changes while its other platform waits for its turn.
    builds.patch("one", dockerfile="FROM scratch\nLABEL changed=1\n")
    builds.wait("one", lambda status: "the inputs have changed since" in status["message"])
    builds.spare("one-.*")
    assert [it["digest"] for it in builds.wait("one", ended(2))["history"]] == [INDEX, INDEX]
    for name in ("two", "three"):
        builds.wait(name, is_in("Succeeded"))
        assert builds.attempts(name) == ONCE
    assert builds.attempts("one") == ONCE + ONCE
    assert builds.town.nodes.most == 1
