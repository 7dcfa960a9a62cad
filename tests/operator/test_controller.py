"""One ImageBuild after the other, against an API server that holds resources in memory."""

import logging
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from support import resources
from support.apiserver import ApiServer, Request, serve
from support.operator_process import wait_until
from support.resources import NOW, SPEC
from yadokari_api.keys import Key
from yadokari_api.policy import ImageBuildPolicySpec
from yadokari_contract.results.build import BuildResult, format_result
from yadokari_operator.cluster.api import Api, ClusterError
from yadokari_operator.cluster.resources import Cluster
from yadokari_operator.handlers.controller import Controller
from yadokari_operator.handlers.echoes import Echoes
from yadokari_operator.handlers.memory import Memory
from yadokari_operator.handlers.policies import Policies
from yadokari_operator.handlers.references import References
from yadokari_operator.handlers.telling import Telling
from yadokari_operator.metrics import Metrics
from yadokari_operator.progress.following import Following
from yadokari_operator.settings import Settings
from yadokari_operator.turns import NodeLimit

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


def controlling(
    api: Api,
    settings: Settings,
    references: References,
    changed: list[Key],
    policies: Policies | None = None,
    echoes: Echoes | None = None,
    now: datetime = NOW,
) -> Controller:
    cluster = Cluster(api)
    policies = policies or Policies(cluster, settings)
    following = Following(cluster, lambda key, _: changed.append(key))
    memory = Memory(policies, following, references, echoes=echoes or Echoes())
    return Controller(cluster, settings, lambda: now, memory, Telling(Metrics()), changed.append)


@pytest.fixture
def echoes() -> Echoes:
    return Echoes()


@pytest.fixture
def api(server: ApiServer) -> Iterator[Api]:
    with serve(server) as api:
        yield api


@pytest.fixture
def policies(api: Api) -> Policies:
    return Policies(Cluster(api), Settings())


@pytest.fixture
def controller(
    api: Api, references: References, changed: list[Key], policies: Policies, echoes: Echoes
) -> Controller:
    return controlling(api, Settings(), references, changed, policies, echoes)


@pytest.fixture
def one_at_a_time(server: ApiServer, references: References, changed: list[Key]) -> Iterator[Controller]:
    with serve(server) as api:
        yield controlling(api, Settings(max_builds=1), references, changed)


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
    assert {record.levelno for record in caplog.records} == {logging.WARNING}


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
            users.append(references.users_of("ConfigMap", Key("team", "source")))

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
    assert sorted(told) == ["DestinationShared", "DestinationShared", "Scheduling", "Scheduling"]
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


def put_policy(server: ApiServer, name: str = "all", **spec: Any) -> None:
    path = "/apis/yadokari.dev/v1alpha1/imagebuildpolicies"
    server.resources[path, name] = {"metadata": {"name": name, "resourceVersion": "1"}, "spec": spec}


def put_namespace(server: ApiServer, **labels: str) -> None:
    server.resources["/api/v1/namespaces", "team"] = {"metadata": {"name": "team", "labels": labels}}


def test_a_build_gets_the_defaults_of_a_policy(server: ApiServer, controller: Controller) -> None:
    put_policy(server, defaults={"nodeSelector": {"pool": "builds"}})
    apply(server)
    controller.reconcile(KEY)
    (name,) = server.names("pods")
    assert server.get("pods", name)["spec"]["nodeSelector"] == {"pool": "builds"}


def test_a_build_that_a_policy_forbids_is_stalled_and_begins_when_the_policy_has_changed(
    server: ApiServer, controller: Controller, policies: Policies
) -> None:
    put_policy(server, bounds={"priority": 0})
    apply(server, priority=1)
    assert controller.reconcile(KEY) is None
    assert (status(server)["phase"], reason(server)) == ("Failed", "PolicyViolation")
    assert "ImageBuildPolicy all: spec.priority is 1" in status(server)["message"]
    assert policies.refused() == {KEY}
    before = len(server.made("PUT"))
    controller.reconcile(KEY)
    assert len(server.made("PUT")) == before
    assert (server.names("pods"), server.names("configmaps")) == (set(), set())
    put_policy(server, bounds={"priority": 1})
    controller.reconcile(KEY)
    assert (status(server)["phase"], status(server)["run"]["reason"]) == ("Pending", "Created")
    assert policies.refused() == set()


def test_a_build_that_runs_or_is_done_goes_on_whatever_a_policy_says_since(
    server: ApiServer, controller: Controller
) -> None:
    apply(server, priority=1)
    controller.reconcile(KEY)
    put_policy(server, bounds={"priority": 0})
    end(server, resources.RUNNING)
    controller.reconcile(KEY)
    assert status(server)["phase"] == "Building"
    end(server, resources.built())
    for _ in range(2):
        controller.reconcile(KEY)
        assert status(server)["phase"] == "Succeeded"


def test_a_policy_that_raises_a_default_builds_nothing_anew(
    server: ApiServer, controller: Controller
) -> None:
    put_policy(server, defaults={"resources": {"limits": {"memory": "1Gi"}}})
    apply(server)
    controller.reconcile(KEY)
    end(server, resources.built())
    controller.reconcile(KEY)
    put_policy(server, defaults={"resources": {"limits": {"memory": "2Gi"}}})
    made = len(server.made("POST"))
    controller.reconcile(KEY)
    assert status(server)["phase"] == "Succeeded"
    assert len(server.made("POST")) == made


def test_the_next_attempt_of_a_build_is_not_made_against_a_policy(
    server: ApiServer, controller: Controller
) -> None:
    apply(server, priority=1)
    controller.reconcile(KEY)
    put_policy(server, bounds={"priority": 0})
    end(server, resources.taken_away(before=60))
    controller.reconcile(KEY)
    assert reason(server) == "PolicyViolation"
    put_policy(server, bounds={"priority": 1})
    controller.reconcile(KEY)
    assert status(server)["phase"] == "Pending"
    assert {name[-2:] for name in server.names("pods")} == {"-1", "-2"}


def test_a_policy_is_for_the_namespaces_with_its_labels(server: ApiServer, controller: Controller) -> None:
    put_policy(server, namespaceSelector={"matchLabels": {"kind": "team"}}, bounds={"priority": 0})
    put_namespace(server, kind="system")
    apply(server, priority=1)
    controller.reconcile(KEY)
    assert reason(server) == "Scheduling"


def test_what_a_build_asks_for_is_read_of_the_cluster_where_an_attempt_begins_alone(
    server: ApiServer, controller: Controller
) -> None:
    apply(server)
    for _ in range(3):
        controller.reconcile(KEY)
    assert [path for path in server.made("GET") if path.endswith("policies")] != []
    assert len([path for path in server.made("GET") if path.endswith("policies")]) == 1
    assert "/api/v1/namespaces/team" not in server.made("GET")


def test_an_operator_of_one_namespace_has_the_policy_of_its_settings_alone(server: ApiServer) -> None:
    def forbidden(request: Request) -> tuple[int, str] | None:
        return (403, "no right") if request.path.endswith("policies") else None

    server.refuse = forbidden
    policy = ImageBuildPolicySpec.model_validate({"bounds": {"priority": 0}})
    apply(server, priority=1)
    with serve(server) as api:
        controlling(api, Settings(namespace="team", policy=policy), References(), []).reconcile(KEY)
    assert reason(server) == "PolicyViolation"
    assert "YADOKARI_POLICY of the operator: spec.priority is 1" in status(server)["message"]


def test_without_the_right_to_read_policies_nothing_is_built(
    server: ApiServer, controller: Controller
) -> None:
    server.refuse = lambda request: (403, "no right") if request.path.endswith("policies") else None
    apply(server)
    with pytest.raises(ClusterError):
        controller.reconcile(KEY)
    assert server.names("pods") == set()


def test_a_namespace_that_the_settings_leave_alone_is_not_even_read(server: ApiServer) -> None:
    apply(server)
    with serve(server) as api:
        settings = Settings(ignored_namespaces=("tea*",))
        assert controlling(api, settings, References(), []).reconcile(KEY) is None
    assert server.requests == []


def test_builds_take_turns_on_nodes_that_are_limited(
    server: ApiServer, api: Api, references: References, changed: list[Key]
) -> None:
    gpu = {"executor": {"nodeSelector": {"pool": "gpu"}}}
    limits = (NodeLimit(frozenset({("pool", "gpu")}), 1),)
    apply(server, **gpu)
    server.put("imagebuilds", "other", spec=SPEC | gpu | {"destinations": [{"image": "another"}]})
    server.put("imagebuilds", "plain", spec=SPEC | {"destinations": [{"image": "third"}]})
    controlling(api, Settings(), references, changed).reconcile(OTHER)
    # One that has just started has to find out what runs.
    controller = controlling(api, Settings(namespace="team", max_builds_on_nodes=limits), references, changed)
    controller.reconcile(KEY)
    assert reason(server) == "Queued"
    controller.reconcile(Key("team", "plain"))
    assert len(server.names("pods")) == 2
    (name,) = (it for it in server.names("pods") if it.startswith("other"))
    server.get("pods", name)["status"] = resources.built()
    controller.reconcile(OTHER)
    assert KEY in changed
    controller.reconcile(KEY)
    assert reason(server) == "Scheduling"


FOLLOWED = {
    "context": {"git": {"url": "https://git.test/app"}},
    "rebuild": {"onGitChange": {"interval": "1h"}},
    "executor": {"image": "custom/executor:1"},
}


def built_long_ago(server: ApiServer, api: Api, policies: Policies) -> Controller:
    """A build that is done and follows its repository, and a controller of two hours later."""
    apply(server, **FOLLOWED)
    controller = controlling(api, Settings(), References(), [], policies)
    controller.reconcile(KEY)
    result = BuildResult(digest=resources.DIGEST, images=(resources.IMAGE,), context="0" * 40)
    end(server, resources.ended(0, format_result(result)))
    controller.reconcile(KEY)
    assert status(server)["phase"] == "Succeeded"
    later = NOW + timedelta(hours=2)
    return controlling(api, Settings(), References(), [], policies, now=later)


def errands(server: ApiServer) -> list[dict[str, Any]]:
    pods = (server.get("pods", name) for name in server.names("pods"))
    return [pod for pod in pods if "yadokari.dev/errand" in pod["metadata"]["labels"]]


def test_a_pod_that_asks_for_a_build_is_within_policies_as_well(
    server: ApiServer, api: Api, policies: Policies
) -> None:
    controller = built_long_ago(server, api, policies)
    put_policy(server, bounds={"nodeSelector": {"pool": "builds"}})
    controller.reconcile(KEY)
    (asking,) = errands(server)
    assert asking["spec"]["nodeSelector"] == {"pool": "builds"}


def test_no_pod_asks_for_a_build_that_a_policy_forbids(
    server: ApiServer, api: Api, policies: Policies
) -> None:
    controller = built_long_ago(server, api, policies)
    put_policy(server, bounds={"executorImages": []})
    controller.reconcile(KEY)
    controller.reconcile(KEY)
    assert errands(server) == []
    assert status(server)["phase"] == "Succeeded"
    assert "PolicyViolation: ImageBuildPolicy all" in status(server)["asked"][0]["message"]


def test_progress_in_the_log_of_a_pod_that_runs_gets_into_the_status(
    server: ApiServer, controller: Controller, echoes: Echoes, changed: list[Key]
) -> None:
    apply(server)
    controller.reconcile(KEY)
    end(server, resources.RUNNING)
    printed = threading.Event()

    def log() -> Iterator[bytes]:
        printed.wait()
        yield b"2026-01-02T03:04:05.6Z STEP 2/3 RUN make\n"

    server.logs = [(200, log())]
    controller.reconcile(KEY)
    assert "progress" not in status(server)
    printed.set()
    wait_until(lambda: KEY in changed)
    assert not is_echo(server, echoes)
    controller.reconcile(KEY)
    # Nothing follows from having told it, so it needs no look when it comes back.
    assert is_echo(server, echoes)
    assert status(server)["progress"] == {
        "phase": "Building",
        "step": 2,
        "steps": 3,
        "text": "RUN make",
        "summary": "Building 2/3: RUN make",
    }
    end(server, resources.built())
    controller.reconcile(KEY)
    assert "progress" not in status(server)
    assert not is_echo(server, echoes)


def is_echo(server: ApiServer, echoes: Echoes) -> bool:
    """Whether the ImageBuild as it is now is one of the operator's own changes of no consequence."""
    return echoes.is_one(KEY, server.get("imagebuilds", "app")["metadata"]["resourceVersion"])
