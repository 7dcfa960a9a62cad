"""What is made, replaced and deleted, against an API server that holds resources in memory."""

from collections.abc import Iterator
from typing import Any

import pytest

from support.apiserver import ApiServer, serve
from support.resources import SPEC, image_build
from yadokari_api.spec import ImageBuildSpec
from yadokari_operator.cluster.api import ClusterError
from yadokari_operator.cluster.resources import Cluster, RejectedError
from yadokari_operator.pods.inputs.gathered import Inputs, gather
from yadokari_operator.pods.render import config_maps
from yadokari_operator.pods.runtime import volumes

NAME = "app-0123456789"


@pytest.fixture
def server() -> ApiServer:
    return ApiServer()


@pytest.fixture
def cluster(server: ApiServer) -> Iterator[Cluster]:
    with serve(server) as api:
        yield Cluster(api)


def manifest() -> dict[str, Any]:
    inputs = gather(ImageBuildSpec.model_validate(SPEC), {})
    assert isinstance(inputs, Inputs)
    (made,) = config_maps(image_build(), inputs, NAME.removeprefix("app-"))
    return {part: made[part] for part in ("kind", "metadata", "immutable", "data", "binaryData")}


def data(server: ApiServer) -> Any:
    return server.get("configmaps", NAME)["data"]


def test_what_was_made_already_is_fine(server: ApiServer, cluster: Cluster) -> None:
    for _ in range(2):
        cluster.create(image_build(), manifest())
    assert server.names("configmaps") == {NAME}
    assert server.made("DELETE") == []


@pytest.mark.parametrize(
    "forgery",
    [
        {"data": {"Dockerfile": "FROM evil\n"}},
        {"data": {"Dockerfile": "FROM busybox\n", "more": ""}},
        {"binaryData": {"Dockerfile": "RlJPTSBldmlsCg=="}, "data": {}},
        {"immutable": False},
    ],
)
def test_a_config_map_of_ours_that_holds_something_else_is_replaced_and_not_used(
    server: ApiServer, cluster: Cluster, forgery: dict[str, Any]
) -> None:
    server.put("configmaps", NAME, **(manifest() | forgery))
    cluster.create(image_build(), manifest())
    assert data(server) == {"Dockerfile": "FROM busybox\n"}


def test_a_config_map_of_somebody_else_is_neither_used_nor_deleted(
    server: ApiServer, cluster: Cluster
) -> None:
    theirs = {"Dockerfile": "theirs"}
    server.put("configmaps", NAME, data=theirs)
    with pytest.raises(RejectedError, match="belongs to something else") as raised:
        cluster.create(image_build(), manifest())
    assert raised.value.reason == "PodRejected"
    assert data(server) == theirs
    assert server.made("DELETE") == []


def test_a_config_map_of_an_earlier_image_build_is_not_used(server: ApiServer, cluster: Cluster) -> None:
    server.put("configmaps", NAME, **manifest())
    with pytest.raises(RejectedError, match="belongs to something else"):
        cluster.create(image_build(uid="u2"), manifest())


def test_what_is_about_to_go_is_waited_for(server: ApiServer, cluster: Cluster) -> None:
    made = manifest()
    made["metadata"]["deletionTimestamp"] = "2026-01-02T03:04:05Z"
    server.put("configmaps", NAME, **made)
    with pytest.raises(ClusterError, match="about to go") as raised:
        cluster.create(image_build(), manifest())
    assert not isinstance(raised.value, RejectedError)


@pytest.mark.parametrize(
    ("status", "message", "reason"),
    [
        (400, "no", "InvalidSpec"),
        (422, "no", "InvalidSpec"),
        (403, 'pods "app" is forbidden: exceeded quota: small', "QuotaExceeded"),
        (403, 'pods "app" is forbidden: failed quota: small: must specify limits.cpu', "QuotaExceeded"),
        (403, 'pods "app" is forbidden: violates PodSecurity "restricted:latest"', "AdmissionDenied"),
        (400, 'admission webhook "policy.test" denied the request: no root', "AdmissionDenied"),
    ],
)
def test_a_refusal_tells_why(
    server: ApiServer, cluster: Cluster, status: int, message: str, reason: str
) -> None:
    server.refuse = lambda _: (status, message)
    with pytest.raises(RejectedError) as raised:
        cluster.create(image_build(), manifest())
    assert raised.value.reason == reason


@pytest.mark.parametrize("status", [401, 429, 500, 503])
def test_a_failure_that_passes_is_no_refusal(server: ApiServer, cluster: Cluster, status: int) -> None:
    server.refuse = lambda _: (status, "later")
    with pytest.raises(ClusterError) as raised:
        cluster.create(image_build(), manifest())
    assert not isinstance(raised.value, RejectedError)


def test_only_the_very_resource_that_was_seen_is_deleted(server: ApiServer, cluster: Cluster) -> None:
    uid = server.put("pods", "app")["metadata"]["uid"]
    cluster.delete("Pod", "team", "app", "another")
    assert server.names("pods") == {"app"}
    cluster.delete("Pod", "team", "app", uid)
    assert server.names("pods") == set()
    cluster.delete("Pod", "team", "app", uid)


def test_a_server_with_too_much_to_do_is_asked_again(server: ApiServer, cluster: Cluster) -> None:
    left = [429, 429]
    server.refuse = lambda _: (left.pop(), "too many requests") if left else None
    assert cluster.config_map("team", "none") is None
    assert len(server.requests) == 3


def test_a_server_that_asks_for_more_time_than_there_is_is_left_alone(
    server: ApiServer, cluster: Cluster
) -> None:
    server.refuse = lambda _: (429, "too many requests")
    server.headers = {"Retry-After": "3600"}
    with pytest.raises(ClusterError) as raised:
        cluster.config_map("team", "none")
    assert (raised.value.wait, len(server.requests)) == (60, 1)


def test_a_pod_of_which_the_server_leaves_a_volume_out_is_refused_and_does_not_stay(
    server: ApiServer, cluster: Cluster
) -> None:
    pod = {"kind": "Pod", "metadata": {"name": f"{NAME}-1"}, "spec": {"volumes": volumes("ImageVolume", "x")}}
    with pytest.raises(
        RejectedError, match=r"leaves runtime out .* executor.runtime: InitContainer"
    ) as caught:
        cluster.create(image_build(), pod)
    assert caught.value.reason == "InvalidSpec"
    assert server.names("pods") == set()
    server.image_volumes = True
    cluster.create(image_build(), pod)
    assert server.names("pods") == {f"{NAME}-1"}
