from collections.abc import Iterator
from dataclasses import replace

import pytest

from support import resources
from support.apiserver import ApiServer, serve
from yadokari_operator.cluster.resources import Cluster
from yadokari_operator.handlers.abilities import Abilities
from yadokari_operator.pods.observed import Pod
from yadokari_operator.reconcile.decide import reconcile
from yadokari_operator.reconcile.decision import Create, Observed
from yadokari_operator.settings import Settings


@pytest.fixture
def server() -> ApiServer:
    return ApiServer()


@pytest.fixture
def abilities(server: ApiServer) -> Iterator[Abilities]:
    with serve(server) as api:
        yield Abilities(Cluster(api))


def runtime(abilities: Abilities, namespace: str = "team") -> str:
    return abilities.decided(Settings(), namespace).executor_runtime


def unmounted(name: str = "app-1") -> Pod:
    """A pod whose node could not mount the runtime."""
    build = resources.image_build()
    (manifest,) = [
        action.manifest
        for action in reconcile(Observed(build=build, sources={}), Settings(), resources.NOW).actions
        if isinstance(action, Create) and action.manifest["kind"] == "Pod"
    ]
    return replace(resources.pod(manifest, resources.RUNNING), name=name, node="old", unmounted=True)


@pytest.mark.parametrize(
    ("minor", "way"),
    [("32", "InitContainer"), ("36", "ImageVolume"), ("36+", "ImageVolume"), ("", "InitContainer")],
)
def test_image_volumes_are_used_from_the_version_on_in_which_they_are_stable(
    server: ApiServer, abilities: Abilities, minor: str, way: str
) -> None:
    server.minor_version = minor
    assert (runtime(abilities), runtime(abilities)) == (way, way)
    assert [request.path for request in server.requests] == ["/version"]


@pytest.mark.parametrize("minor", ["33", "34", "35"])
@pytest.mark.parametrize(("gate", "way"), [(False, "InitContainer"), (True, "ImageVolume")])
def test_a_server_whose_feature_gate_may_be_open_is_asked_what_it_would_make(
    server: ApiServer, abilities: Abilities, minor: str, gate: bool, way: str
) -> None:
    server.minor_version, server.image_volumes = minor, gate
    assert (runtime(abilities), runtime(abilities), runtime(abilities, "other")) == (way, way, way)
    assert server.made("POST") == ["/api/v1/namespaces/team/pods"]
    assert server.names("pods") == set()


def test_a_namespace_that_refuses_to_be_asked_gets_init_containers_and_others_are_asked(
    server: ApiServer, abilities: Abilities, caplog: pytest.LogCaptureFixture
) -> None:
    server.image_volumes = True
    server.refuse = lambda request: (403, "exceeded quota") if "/team/" in request.path else None
    assert (runtime(abilities), runtime(abilities)) == ("InitContainer", "InitContainer")
    assert len(server.made("POST")) == 1
    assert "team: whether the cluster has image volumes cannot be tried" in caplog.text
    assert "exceeded quota" in caplog.text
    assert runtime(abilities, "other") == "ImageVolume"
    assert runtime(abilities) == "ImageVolume"


def test_a_namespace_whose_node_could_not_mount_one_gets_init_containers(
    server: ApiServer, abilities: Abilities, caplog: pytest.LogCaptureFixture
) -> None:
    server.image_volumes = True
    assert runtime(abilities) == "ImageVolume"
    for _ in range(2):
        abilities.learn("team", [unmounted()], resources.NOW)
        assert runtime(abilities) == "InitContainer"
    assert runtime(abilities, "other") == "ImageVolume"
    assert caplog.text.count("node old could not mount an image volume for pod app-1") == 1


def test_what_the_settings_say_is_not_asked_for(server: ApiServer, abilities: Abilities) -> None:
    settings = Settings(executor_runtime="InitContainer")
    assert abilities.decided(settings, "team") == settings
    assert server.requests == []
