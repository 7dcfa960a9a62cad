from collections.abc import Iterator

import pytest

from support.apiserver import ApiServer, serve
from yadokari_operator.cluster.resources import Cluster
from yadokari_operator.handlers.abilities import Abilities
from yadokari_operator.settings import Settings


@pytest.fixture
def server() -> ApiServer:
    return ApiServer()


@pytest.fixture
def abilities(server: ApiServer) -> Iterator[Abilities]:
    with serve(server) as api:
        yield Abilities(Cluster(api))


@pytest.mark.parametrize(
    ("minor", "runtime"),
    [("35", "InitContainer"), ("36", "ImageVolume"), ("36+", "ImageVolume"), ("", "InitContainer")],
)
def test_image_volumes_are_used_from_the_version_on_in_which_they_are_stable(
    server: ApiServer, abilities: Abilities, minor: str, runtime: str
) -> None:
    server.minor_version = minor
    for _ in range(2):
        assert abilities.decided(Settings()).executor_runtime == runtime
    assert server.made("GET") == ["/version"]


def test_what_the_settings_say_is_not_asked_for(server: ApiServer, abilities: Abilities) -> None:
    settings = Settings(executor_runtime="InitContainer")
    assert abilities.decided(settings) == settings
    assert server.requests == []
