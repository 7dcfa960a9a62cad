"""What is watched beside pods, and how it is seen that it is."""

from collections.abc import Iterator

import pytest

from support.apiserver import ApiServer, serve
from yadokari_api.keys import Key
from yadokari_operator.cluster.api import Api, ClusterError
from yadokari_operator.cluster.resources import Cluster
from yadokari_operator.handlers.memory import Memory
from yadokari_operator.handlers.podwatch import life_of
from yadokari_operator.handlers.policies import Policies
from yadokari_operator.handlers.watch import Watch
from yadokari_operator.handlers.watches import Watches
from yadokari_operator.progress.following import Following
from yadokari_operator.settings import Settings

BOOKMARK = {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "8"}}}


@pytest.fixture
def server() -> ApiServer:
    return ApiServer()


@pytest.fixture
def api(server: ApiServer) -> Iterator[Api]:
    with serve(server) as api:
        yield api


def watches(api: Api, heard: list[str]) -> list[Watch]:
    cluster = Cluster(api)
    memory = Memory(Policies(cluster, Settings()), Following(cluster, lambda *_: None))
    made = Watches(
        cluster=cluster, namespace="", memory=memory, heard=heard.append, changed=print, seen=print
    )
    return [made.builds(), *made.others()]


def test_of_each_kind_it_is_told_that_the_server_was_heard(server: ApiServer, api: Api) -> None:
    heard: list[str] = []
    for watch in watches(api, heard):
        server.watches.append((200, [BOOKMARK]))
        watch.follow()
        # The beginning of the watch, and the step.
        assert heard == [watch.what] * 2
        heard.clear()


def test_the_health_names_what_cannot_be_watched(api: Api) -> None:
    watch = Watch("ImageBuildPolicies", Cluster(api).policy_changes(), fail, ignore, stop)
    assert life_of([watch]) == "alive"
    with pytest.raises(EnoughError):
        watch.run()
    assert life_of([watch]) == "alive, but ImageBuildPolicies cannot be watched: no"


def test_what_nobody_wants_to_know_any_more_is_no_trouble(api: Api) -> None:
    wanted = iter([True, False])
    metadata = Cluster(api).policy_changes()
    watch = Watch("Buckets", metadata, fail, ignore, lambda _: None, wanted=lambda _: next(wanted))
    with pytest.raises(StopIteration):
        watch.run()
    assert life_of([watch]) == "alive"


class EnoughError(Exception):
    """Ends a watch, which would go on for ever."""


def fail() -> str:
    raise ClusterError("no", status=403)


def stop(_: float) -> None:
    raise EnoughError


def ignore(_: Key) -> None: ...
