"""Builds of a namespace that want to know what has moved, against an API server that holds them in memory."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from support import resources
from support.apiserver import ApiServer, Request, serve
from support.resources import DIGEST, NOW, SPEC, ended
from yadokari_api.keys import Key
from yadokari_contract.results.build import BaseImage, BuildResult, format_result
from yadokari_operator.cluster.api import Api
from yadokari_operator.cluster.resources import Cluster
from yadokari_operator.handlers.controller import Controller
from yadokari_operator.handlers.memory import Memory
from yadokari_operator.handlers.policies import Policies
from yadokari_operator.handlers.telling import Telling
from yadokari_operator.metrics import Metrics
from yadokari_operator.progress.following import Following
from yadokari_operator.settings import Settings

A, B = (f"sha256:{digit * 64}" for digit in "ab")
BASE = "registry.test/base:1"
FLUX = "/apis/source.toolkit.fluxcd.io"


@dataclass(slots=True)
class Namespace:
    """Builds that follow a base image, and the time."""

    server: ApiServer
    now: datetime = NOW
    changed: list[Key] = field(default_factory=list)
    controller: Controller = field(init=False)

    def apply(self, name: str, **spec: Any) -> None:
        rebuild = {"onBaseImageChange": {"interval": "1h"}}
        destinations = [{"image": f"registry.test/{name}"}]
        self.server.put(
            "imagebuilds", name, spec=SPEC | {"rebuild": rebuild, "destinations": destinations} | spec
        )

    def look(self, *names: str) -> None:
        """Reconcile these builds, and whoever is to be looked at because of them."""
        self.server.now = self.now.strftime("%Y-%m-%dT%H:%M:%SZ")
        todo = [Key("team", name) for name in names]
        while todo:
            key = todo.pop(0)
            self.controller.reconcile(key)
            todo += [it for it in dict.fromkeys(self.changed) if it not in todo]
            self.changed.clear()

    def status(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.server.get("imagebuilds", name)["status"]
        return found

    def pods(self, errand: bool = False) -> list[str]:
        """The pods that build, or those that ask."""
        names = self.server.names("pods")
        return sorted(name for name in names if ("-resolve-" in name) == errand)

    def end(self, pod: str, how: dict[str, Any]) -> None:
        """Let a pod end now."""
        for container in how["containerStatuses"]:
            container["state"]["terminated"]["finishedAt"] = self.now.strftime("%Y-%m-%dT%H:%M:%SZ")
        self.server.get("pods", pod)["status"] = how

    def build(self, *names: str, base: str = A) -> None:
        """Let builds come to their end."""
        self.look(*names)
        for pod in self.pods():
            result = BuildResult(digest=DIGEST, bases=(BaseImage(BASE, base),))
            self.end(pod, ended(0, format_result(result)))
        self.look(*names)
        for pod in self.pods():
            del self.server.resources["/api/v1/namespaces/team/pods", pod]

    def answer(self, pod: str, **found: Any) -> None:
        """Let a pod that asks end with one answer for all names."""
        words = self.server.get("pods", pod)["spec"]["containers"][0]["args"][1:]
        names = [word for word in words if not word.startswith("--")]
        items = [{"name": name} | found for name in names]
        self.end(pod, ended(20 if "failure" in found else 0, json.dumps({"items": items})))


def controlling(api: Api, team: Namespace) -> Controller:
    """A controller as an operator has it that has just begun."""
    cluster, settings = Cluster(api), Settings()
    following = Following(cluster, lambda key, _: team.changed.append(key))
    memory, telling = Memory(Policies(cluster, settings), following), Telling(Metrics())
    return Controller(cluster, settings, lambda: team.now, memory, telling, team.changed.append)


@pytest.fixture
def team() -> Iterator[Namespace]:
    server = ApiServer()
    with serve(server) as api:
        team = Namespace(server)
        team.controller = controlling(api, team)
        yield team


NAMES = ("one", "three", "two")


def asking(team: Namespace, *names: str) -> str:
    """Have builds that are due to ask; gives the pod that does for all of them."""
    for name in names:
        team.apply(name)
        team.build(name)
    team.now += timedelta(hours=1)
    team.look(*names)
    (pod,) = team.pods(errand=True)
    return pod


def test_one_pod_asks_for_all_builds_and_each_is_built_anew(team: Namespace) -> None:
    for name in NAMES:
        team.apply(name)
        team.build(name)
        team.now += timedelta(minutes=5)
    team.now = NOW + timedelta(hours=1)
    team.look(*NAMES, *NAMES)
    (pod,) = team.pods(errand=True)
    assert pod.startswith("one-")
    assert team.server.get("pods", pod)["spec"]["containers"][0]["args"].count(BASE) == 1
    team.answer(pod, resolved=B)
    team.look("one")
    assert team.pods(errand=True) == []
    assert {name.split("-")[0] for name in team.pods()} == set(NAMES)
    for name in NAMES:
        run = team.status(name)["run"]
        assert (run["reason"], run["cause"]) == ("BaseImageChanged", f"{BASE} moved from {A} to {B}")


def test_a_base_that_has_not_moved_is_noted_by_all_and_built_by_none(team: Namespace) -> None:
    pod = asking(team, *NAMES)
    team.answer(pod, resolved=A)
    team.look("one")
    team.look(*NAMES)
    assert team.pods() == []
    assert [team.status(name)["asked"][0]["resolved"] for name in NAMES] == [A] * 3
    team.now += timedelta(minutes=59)
    team.look(*NAMES)
    assert team.pods(errand=True) == []
    team.now += timedelta(minutes=2)
    team.look(*NAMES)
    (later,) = team.pods(errand=True)
    assert later != pod


def test_a_registry_that_is_down_is_told_in_the_status_and_fails_nothing(team: Namespace) -> None:
    team.apply("one")
    team.build("one")
    team.now += timedelta(hours=1)
    team.look("one")
    (pod,) = team.pods(errand=True)
    team.answer(pod, failure={"reason": "RegistryError", "message": "connection refused"})
    team.look("one")
    status = team.status("one")
    assert (status["phase"], status["conditions"][0]["status"]) == ("Succeeded", "True")
    assert status["asked"][0]["message"] == "RegistryError: connection refused"
    assert team.controller.reconcile(Key("team", "one")) == 60


def test_a_pod_that_may_not_be_made_leaves_the_build_as_it_is(team: Namespace) -> None:
    team.apply("one")
    team.build("one")
    team.now += timedelta(hours=1)

    def full(request: Request) -> tuple[int, str] | None:
        is_pod = request.method == "POST" and request.path.endswith("/pods")
        return (403, "exceeded quota: pods") if is_pod else None

    team.server.refuse = full
    team.look("one")
    status = team.status("one")
    assert status["phase"] == "Succeeded"
    assert status["asked"][0]["message"] == "QuotaExceeded: exceeded quota: pods"


def test_a_pod_that_does_not_start_is_given_up(team: Namespace) -> None:
    team.apply("one")
    team.build("one")
    team.now += timedelta(hours=1)
    team.look("one")
    (pod,) = team.pods(errand=True)
    team.server.get("pods", pod)["status"] = resources.waiting(
        "CreateContainerConfigError", 'secret "reader" not found'
    )
    team.look("one")
    assert team.controller.reconcile(Key("team", "one")) == 150
    team.now += timedelta(seconds=151)
    team.look("one")
    assert team.pods(errand=True) == []
    assert 'secret "reader" not found' in team.status("one")["asked"][0]["message"]


def test_an_operator_that_starts_anew_goes_on_with_the_pod_that_is_out(team: Namespace) -> None:
    team.apply("one")
    team.build("one")
    team.now += timedelta(hours=1)
    team.look("one")
    (pod,) = team.pods(errand=True)
    with serve(team.server) as api:
        team.controller = controlling(api, team)
        team.look("one")
        assert team.pods(errand=True) == [pod]
        team.answer(pod, resolved=B)
        team.look("one")
    assert team.status("one")["run"]["reason"] == "BaseImageChanged"


def test_a_pod_that_somebody_else_made_is_not_believed(team: Namespace) -> None:
    team.apply("one")
    team.build("one")
    team.now += timedelta(hours=1)
    team.look("one")
    (pod,) = team.pods(errand=True)
    forged = team.server.get("pods", pod)
    forged["metadata"]["uid"] = "forged"
    team.answer(pod, resolved=B)
    team.look("one")
    assert team.status("one")["run"]["number"] == 1


def flux(team: Namespace, digest: str = "", **status: Any) -> None:
    """Put a source of Flux that has an artifact, if it has a digest."""
    if digest:
        url = "http://source-controller/a.tar.gz"
        status["artifact"] = {"url": url, "digest": digest, "revision": f"main@sha1:{digest[7:11]}"}
    team.server.resources[f"{FLUX}/v1/namespaces/team/gitrepositories", "app"] = {
        "metadata": {"name": "app", "namespace": "team", "uid": "u-flux", "resourceVersion": "1"},
        "status": status,
    }


def test_a_source_of_flux_is_waited_for_and_followed(team: Namespace) -> None:
    def told() -> tuple[str, str]:
        team.look("one")
        status = team.status("one")
        return status["conditions"][0]["reason"], status["message"]

    team.apply("one", rebuild=None, context={"fluxSource": {"kind": "GitRepository", "name": "app"}})
    del team.server.get("imagebuilds", "one")["spec"]["rebuild"]
    reason, message = told()
    assert reason == "SourceNotFound"
    assert "install Flux's source-controller" in message
    team.server.resources[FLUX, "v1"] = {"resources": [{"name": "gitrepositories"}]}
    assert told()[1] == "GitRepository app of spec.context.fluxSource does not exist"
    flux(team, conditions=[{"type": "Ready", "message": "cloning"}])
    reason, message = told()
    assert (reason, "no artifact yet: cloning" in message) == ("SourceNotReady", True)
    team.server.refuse = lambda it: (403, "you may not") if FLUX in it.path else None
    assert "the operator may not read GitRepository app" in told()[1]
    team.server.refuse = lambda _: None
    flux(team, A)
    team.build("one")
    assert team.status("one")["artifact"] == {"revision": "main@sha1:aaaa", "digest": A}
    assert (team.pods(), team.status("one")["run"]["number"]) == ([], 1)
    team.look("one")
    assert team.pods() == []
    flux(team, B)
    team.look("one")
    run = team.status("one")["run"]
    assert (run["reason"], run["cause"]) == (
        "SourceChanged",
        "the artifact moved from main@sha1:aaaa to main@sha1:bbbb",
    )


@pytest.mark.parametrize("owners", [[], [{"kind": "ImageBuild", "name": "one", "uid": "of an earlier one"}]])
def test_what_an_earlier_build_of_the_name_asked_is_not_believed(
    team: Namespace, owners: list[dict[str, Any]]
) -> None:
    pod = asking(team, "one")
    forged = team.server.get("pods", pod)
    forged["metadata"] |= {"uid": "forged", "ownerReferences": owners}
    team.answer(pod, resolved=B)
    team.look("one")
    assert team.status("one")["run"]["number"] == 1
    assert "asked" not in team.status("one")


def test_a_pod_that_asks_and_cannot_be_deleted_is_noted_once_and_holds_nobody_up(team: Namespace) -> None:
    pod = asking(team, "one")
    team.now += timedelta(seconds=151)
    team.server.get("pods", pod)["metadata"]["deletionTimestamp"] = "2026-01-02T04:04:05Z"
    team.look("one")
    told = team.status("one")["asked"]
    team.now += timedelta(seconds=1)
    team.look("one")
    assert team.status("one")["asked"] == told
    team.now += timedelta(minutes=2)
    team.look("one")
    assert len(team.pods(errand=True)) == 2


def test_a_pod_of_others_that_bears_the_name_and_cannot_go_holds_up_no_asking(team: Namespace) -> None:
    pod = asking(team, "one")
    stuck = team.server.get("pods", pod)["metadata"]
    stuck |= {"uid": "of others", "deletionTimestamp": "2026-01-02T04:04:05Z"}
    team.look("one")
    assert len(team.pods(errand=True)) == 2


@pytest.mark.parametrize("off", [timedelta(days=-3650), timedelta(days=3650)])
def test_the_clock_of_a_node_moves_no_time_of_asking(team: Namespace, off: timedelta) -> None:
    pod = asking(team, "one")
    team.now += off
    team.answer(pod, resolved=A)
    team.now -= off
    team.look("one")
    assert team.pods(errand=True) == []
    assert 3600 <= (team.controller.reconcile(Key("team", "one")) or 0) <= 3750


def test_a_pod_that_cannot_go_says_nothing_of_what_is_asked_after_it(team: Namespace) -> None:
    stuck = asking(team, "one", "two")
    team.now += timedelta(seconds=151)
    team.server.get("pods", stuck)["metadata"]["deletionTimestamp"] = "2026-01-02T04:04:05Z"
    team.look("one", "two")
    team.now += timedelta(minutes=2)
    team.look("one", "two")
    (later,) = set(team.pods(errand=True)) - {stuck}
    team.look("one", "two")
    team.now += timedelta(seconds=5)
    team.answer(later, resolved=A)
    team.look("one", "two")
    assert [team.status(name)["asked"][0].get("failures") for name in ("one", "two")] == [None, None]
    assert team.pods(errand=True) == [stuck]


def test_a_first_run_that_is_to_be_in_its_base_asks_for_that_and_begins_there(team: Namespace) -> None:
    dockerfile = f"FROM {BASE}\nRUN true\n"
    team.apply("one", dockerfile=dockerfile, executor={"lodging": "Always"})
    team.look("one")
    assert team.pods() == []
    (pod,) = team.pods(errand=True)
    team.look("one")
    assert team.pods(errand=True) == [pod]
    team.answer(pod, resolved=B)
    team.look("one")
    (building,) = team.pods()
    assert team.pods(errand=True) == []
    assert team.server.get("pods", building)["spec"]["containers"][0]["image"] == f"registry.test/base@{B}"
    assert team.status("one")["run"]["attempt"] == 1
    team.look("one")
    assert (team.pods(), team.pods(errand=True)) == ([building], [])
