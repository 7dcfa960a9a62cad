"""One ImageBuild after the other, against an API server that holds resources in memory."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from support import resources
from support.apiserver import ApiServer, Request, serve
from support.resources import NOW, SPEC
from yadokari_api.keys import Key
from yadokari_operator.cluster.api import ClusterError
from yadokari_operator.cluster.resources import Cluster
from yadokari_operator.handlers.controller import Controller
from yadokari_operator.handlers.references import References
from yadokari_operator.settings import Settings

KEY = Key("team", "app")
FROM_CONFIG_MAP = {
    "dockerfileFrom": {"configMapKeyRef": {"name": "source"}},
    "destinations": SPEC["destinations"],
}


@pytest.fixture
def server() -> ApiServer:
    return ApiServer()


@pytest.fixture
def references() -> References:
    return References()


@pytest.fixture
def changed() -> list[Key]:
    """The ImageBuilds that are to be looked at because of another one."""
    return []


@pytest.fixture
def controller(server: ApiServer, references: References, changed: list[Key]) -> Iterator[Controller]:
    with serve(server) as api:
        yield Controller(Cluster(api), Settings(), lambda: NOW, references, changed.append)


@pytest.fixture
def one_at_a_time(server: ApiServer, references: References, changed: list[Key]) -> Iterator[Controller]:
    with serve(server) as api:
        yield Controller(Cluster(api), Settings(max_builds=1), lambda: NOW, references, changed.append)


def apply(server: ApiServer, **spec: Any) -> None:
    server.put("imagebuilds", "app", spec=SPEC | spec)


def status(server: ApiServer) -> dict[str, Any]:
    found: dict[str, Any] = server.get("imagebuilds", "app").get("status", {})
    return found


def reason(server: ApiServer) -> str:
    told: str = status(server)["conditions"][0]["reason"]
    return told


def end(server: ApiServer, how: dict[str, Any]) -> None:
    """Let the pod end."""
    (name,) = server.names("pods")
    server.get("pods", name)["status"] = how


def refuse(plural: str, code: int, message: str) -> Any:
    def refused(request: Request) -> tuple[int, str] | None:
        made = request.method == "POST" and request.path.endswith(f"/{plural}")
        return (code, message) if made else None

    return refused


def test_a_build_goes_from_nothing_to_its_digest_and_leaves_the_log_alone(
    server: ApiServer, controller: Controller
) -> None:
    apply(server)
    controller.reconcile(KEY)
    assert len(server.names("configmaps")) == 1
    end(server, resources.built())
    controller.reconcile(KEY)
    assert (status(server)["phase"], status(server)["output"]["digest"]) == ("Succeeded", resources.DIGEST)
    assert controller.reconcile(KEY) == 595
    assert (server.names("configmaps"), len(server.names("pods"))) == (set(), 1)
    before = len(server.made("PUT"))
    assert controller.reconcile(KEY) == 595
    assert len(server.made("PUT")) == before


def test_the_status_is_written_before_the_event(server: ApiServer, controller: Controller) -> None:
    apply(server)
    controller.reconcile(KEY)
    end(server, resources.RUNNING)
    controller.reconcile(KEY)
    written = [request.path for request in server.requests if request.method in ("PUT", "POST")]
    assert [path.rpartition("/")[2] for path in written[-2:]] == ["status", "events"]


@pytest.mark.parametrize("code", [403, 422, 500])
def test_an_event_that_is_refused_keeps_nothing_from_happening(
    server: ApiServer, controller: Controller, caplog: pytest.LogCaptureFixture, code: int
) -> None:
    # Whatever other tests have made of the log.
    caplog.set_level(logging.WARNING)
    server.refuse = refuse("events", code, "too many of them")
    apply(server)
    controller.reconcile(KEY)
    end(server, resources.built())
    controller.reconcile(KEY)
    assert status(server)["phase"] == "Succeeded"
    assert "too many of them" in caplog.text
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


@pytest.mark.parametrize("code", [400, 422])
def test_a_pod_that_can_never_be_made_is_stalled(
    server: ApiServer, controller: Controller, code: int
) -> None:
    server.refuse = refuse("pods", code, "tolerations[0].operator: Invalid value")
    apply(server)
    assert controller.reconcile(KEY) is None
    assert (status(server)["phase"], reason(server)) == ("Failed", "InvalidSpec")
    assert "tolerations[0]" in status(server)["message"]
    before = len(server.made("POST"))
    controller.reconcile(KEY)
    assert len(server.made("POST")) == before
    assert server.names("configmaps") == set()


def test_a_pod_that_may_be_made_later_is_waited_for(server: ApiServer, controller: Controller) -> None:
    server.refuse = refuse("pods", 403, "exceeded quota")
    apply(server)
    assert controller.reconcile(KEY) == 10
    assert (status(server)["phase"], reason(server)) == ("Pending", "QuotaExceeded")
    server.refuse = lambda _: None
    controller.reconcile(KEY)
    assert len(server.names("pods")) == 1


def test_a_waiting_build_is_not_looked_at_again_before_something_happens(
    server: ApiServer, controller: Controller
) -> None:
    server.put("imagebuilds", "app", spec=FROM_CONFIG_MAP)
    assert controller.reconcile(KEY) is None
    assert reason(server) == "ConfigMapNotFound"


def test_whose_config_map_it_is_is_known_before_it_is_read(
    server: ApiServer, controller: Controller, references: References
) -> None:
    server.put("imagebuilds", "app", spec=FROM_CONFIG_MAP)
    users: list[frozenset[Key]] = []

    def listen(request: Request) -> None:
        if request.path.endswith("/configmaps/source"):
            users.append(references.users_of(Key("team", "source")))

    server.refuse = listen
    controller.reconcile(KEY)
    assert users == [{KEY}]
    del server.resources["/apis/yadokari.dev/v1alpha1/namespaces/team/imagebuilds", "app"]
    controller.reconcile(KEY)
    assert references.users() == set()


def test_contents_are_read_of_config_maps_in_use_alone(server: ApiServer, controller: Controller) -> None:
    server.put("configmaps", "source", data={"Dockerfile": "FROM busybox\n"})
    server.put("configmaps", "foreign", data={"big": "x"})
    server.put("imagebuilds", "app", spec=FROM_CONFIG_MAP)
    controller.reconcile(KEY)
    read = [
        request for request in server.requests if "/configmaps" in request.path and request.method == "GET"
    ]
    assert [r.path.rpartition("/")[2] for r in read if "PartialObjectMetadataList" not in r.accept] == [
        "source"
    ]


def test_a_pod_whose_annotations_somebody_removed_does_not_stop_the_build(
    server: ApiServer, controller: Controller
) -> None:
    apply(server)
    controller.reconcile(KEY)
    end(server, resources.built())
    (name,) = server.names("pods")
    del server.get("pods", name)["metadata"]["annotations"]
    controller.reconcile(KEY)
    assert status(server)["phase"] == "Succeeded"


def test_a_message_that_is_no_text_is_written_once(server: ApiServer, controller: Controller) -> None:
    apply(server)
    controller.reconcile(KEY)
    message = '{"failure": {"reason": "StepFailed", "message": "\\ud800\\u0000"}}'
    end(server, resources.ended(11, message))
    for _ in range(3):
        controller.reconcile(KEY)
    assert status(server)["failure"]["message"] == "\ufffd\ufffd"
    assert len(server.made("PUT")) == 2


def test_a_status_that_somebody_wrote_meanwhile_is_not_overwritten(
    server: ApiServer, controller: Controller
) -> None:
    apply(server)

    def touch(request: Request) -> None:
        if request.method == "POST":
            server.get("imagebuilds", "app")["metadata"]["resourceVersion"] = "99"

    server.refuse = touch
    with pytest.raises(ClusterError):
        controller.reconcile(KEY)
    assert status(server) == {}
    controller.reconcile(KEY)
    assert len(server.names("pods")) == 1


def test_two_image_builds_with_one_destination_both_say_so_until_one_has_another(
    server: ApiServer, controller: Controller, changed: list[Key]
) -> None:
    def shared(name: str) -> list[str]:
        conditions = server.get("imagebuilds", name)["status"]["conditions"]
        return [condition["message"] for condition in conditions if condition["type"] == "DestinationShared"]

    server.put("imagebuilds", "app", spec=SPEC)
    server.put("imagebuilds", "copy", spec=SPEC)
    controller.reconcile(KEY)
    assert shared("app") == []
    controller.reconcile(Key("team", "copy"))
    assert changed == [KEY]
    controller.reconcile(KEY)
    assert "ImageBuild copy" in shared("app")[0]
    assert "ImageBuild app" in shared("copy")[0]
    told = [server.get("events", name)["reason"] for name in server.names("events")]
    assert told == ["DestinationShared", "DestinationShared"]
    server.get("imagebuilds", "copy")["spec"] = SPEC | {"destinations": [{"image": "another"}]}
    controller.reconcile(Key("team", "copy"))
    assert changed == [KEY, KEY]
    controller.reconcile(KEY)
    assert shared("app") == []
    assert shared("copy") == []


def test_who_pushes_to_the_same_place_from_another_namespace_is_not_named(
    server: ApiServer, controller: Controller
) -> None:
    rival = {"metadata": {"name": "secret-project", "namespace": "other"}, "spec": SPEC}
    server.resources["/apis/yadokari.dev/v1alpha1/namespaces/other/imagebuilds", "secret-project"] = {
        **rival,
        "metadata": {**rival["metadata"], "uid": "u9", "resourceVersion": "1"},
    }
    apply(server)
    controller.reconcile(Key("other", "secret-project"))
    controller.reconcile(KEY)
    message = status(server)["conditions"][-1]["message"]
    assert "an ImageBuild of another namespace" in message
    assert "secret-project" not in message


OTHER = Key("team", "other")


def test_builds_take_turns_where_they_are_limited(
    server: ApiServer, one_at_a_time: Controller, changed: list[Key]
) -> None:
    apply(server)
    server.put("imagebuilds", "other", spec=SPEC | {"destinations": [{"image": "another"}]})
    one_at_a_time.reconcile(KEY)
    assert one_at_a_time.reconcile(OTHER) == 15
    waits = server.get("imagebuilds", "other")["status"]
    assert waits["conditions"][0]["reason"] == "Queued"
    assert "number 1 of 1 in the queue, while 1 builds run" in waits["message"]
    assert len(server.names("pods")) == 1
    one_at_a_time.reconcile(KEY)
    end(server, resources.built())
    one_at_a_time.reconcile(KEY)
    assert changed == [OTHER]
    one_at_a_time.reconcile(OTHER)
    assert len(server.names("pods")) == 2


def test_a_build_that_the_server_refuses_takes_nobodys_turn(
    server: ApiServer, one_at_a_time: Controller
) -> None:
    server.refuse = refuse("pods", 403, "exceeded quota")
    apply(server)
    server.put("imagebuilds", "other", spec=SPEC | {"destinations": [{"image": "another"}]})
    one_at_a_time.reconcile(KEY)
    server.refuse = lambda _: None
    one_at_a_time.reconcile(OTHER)
    assert len(server.names("pods")) == 1


def test_a_build_that_goes_leaves_its_turn(
    server: ApiServer, one_at_a_time: Controller, changed: list[Key]
) -> None:
    apply(server)
    server.put("imagebuilds", "other", spec=SPEC | {"destinations": [{"image": "another"}]})
    one_at_a_time.reconcile(KEY)
    one_at_a_time.reconcile(OTHER)
    del server.resources["/apis/yadokari.dev/v1alpha1/namespaces/team/imagebuilds", "app"]
    one_at_a_time.reconcile(KEY)
    assert changed == [OTHER]
