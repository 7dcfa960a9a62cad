"""Lists and watches of metadata, against an API server that says what a test wants."""

from collections.abc import Iterator
from typing import Any

import pytest

from support.apiserver import ApiServer, serve
from yadokari_api.keys import Key
from yadokari_operator.cluster.api import Api, ClusterError
from yadokari_operator.cluster.metadata import Change, ExpiredError, Metadata
from yadokari_operator.handlers.watch import LONGEST_SILENCE, Watch, list_all, version_now

CONFIG_MAPS = "/api/v1/namespaces/team/configmaps"


class EnoughError(Exception):
    """Ends a watch, which would go on for ever."""


@pytest.fixture
def server() -> ApiServer:
    return ApiServer()


@pytest.fixture
def api(server: ApiServer) -> Iterator[Api]:
    with serve(server) as api:
        yield api


@pytest.fixture
def metadata(api: Api) -> Metadata:
    return Metadata(api, CONFIG_MAPS)


def step(kind: str, name: str, version: str) -> dict[str, Any]:
    return {
        "type": kind,
        "object": {"metadata": {"namespace": "team", "name": name, "resourceVersion": version}},
    }


def bookmark(version: str) -> dict[str, Any]:
    return {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": version}}}


def error(code: int) -> dict[str, Any]:
    return {"type": "ERROR", "object": {"kind": "Status", "code": code, "message": "it is so"}}


def test_a_list_comes_in_pages_and_without_contents(server: ApiServer, metadata: Metadata) -> None:
    for number in range(5):
        server.put("configmaps", f"m{number}", data={"big": "x" * 1000})
    pages = list(metadata.pages(2))
    assert [[item["name"] for item in page.items] for page in pages] == [["m0", "m1"], ["m2", "m3"], ["m4"]]
    assert {request.query["limit"] for request in server.requests} == {"2"}
    assert {request.accept for request in server.requests} == {
        "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
    }


def test_the_version_of_now_is_known_without_listing_all(server: ApiServer, metadata: Metadata) -> None:
    for number in range(5):
        server.put("configmaps", f"m{number}")
    assert version_now(metadata) == "7"
    assert [request.query["limit"] for request in server.requests] == ["1"]


def test_a_watch_asks_for_metadata_alone_and_for_bookmarks(server: ApiServer, metadata: Metadata) -> None:
    server.watches = [(200, [step("ADDED", "a", "8"), bookmark("12"), step("DELETED", "a", "13")])]
    assert list(metadata.changes("7")) == [
        Change(None, "7"),
        Change(Key("team", "a"), "8"),
        Change(None, "12"),
        Change(Key("team", "a"), "13"),
    ]
    (request,) = server.requests
    assert request.accept == "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
    assert (request.query["resourceVersion"], request.query["allowWatchBookmarks"]) == ("7", "true")


def test_a_step_that_arrives_in_parts_is_read_as_one(server: ApiServer, metadata: Metadata) -> None:
    server.watches = [
        (200, [b'{"type": "BOOKMARK", "object": {"meta', b'data": {"resourceVersion": "9"}}}\n{"type"'])
    ]
    assert [change.version for change in metadata.changes("7")] == ["7", "9"]


@pytest.mark.parametrize("answer", [(410, []), (200, [error(410)])])
def test_a_forgotten_version_is_told_apart(
    server: ApiServer, metadata: Metadata, answer: tuple[int, list[Any]]
) -> None:
    server.watches = [answer]
    with pytest.raises(ExpiredError):
        list(metadata.changes("7"))


@pytest.mark.parametrize("answer", [(403, []), (500, []), (200, [error(500)])])
def test_any_other_error_is_a_failure(
    server: ApiServer, metadata: Metadata, answer: tuple[int, list[Any]]
) -> None:
    server.watches = [answer]
    with pytest.raises(ClusterError) as raised:
        list(metadata.changes("7"))
    assert not isinstance(raised.value, ExpiredError)


class Followed:
    """A watch that runs until it has paused so many times."""

    def __init__(self, metadata: Metadata, pauses: int) -> None:
        self.changed: list[str] = []
        self.begun = 0
        self.pauses: list[float] = []
        self._left = pauses
        self._metadata = metadata
        self.watch = Watch(
            "ConfigMaps", metadata, self._begin, lambda key: self.changed.append(key.name), self._pause
        )
        with pytest.raises(EnoughError):
            self.watch.run()

    def _begin(self) -> str:
        self.begun += 1
        return version_now(self._metadata)

    def _pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        if len(self.pauses) == self._left:
            raise EnoughError


def versions(server: ApiServer) -> list[str]:
    return [request.query["resourceVersion"] for request in server.requests if "watch" in request.query]


def test_a_watch_that_ends_is_gone_on_with_from_where_it_was(server: ApiServer, metadata: Metadata) -> None:
    server.watches = [(200, [step("ADDED", "a", "8"), bookmark("20")]), (200, [step("MODIFIED", "b", "21")])]
    followed = Followed(metadata, 2)
    assert (followed.changed, followed.begun, versions(server)) == (["a", "b"], 1, ["7", "20"])


def test_a_watch_begins_anew_where_the_version_is_forgotten(server: ApiServer, metadata: Metadata) -> None:
    server.watches = [(200, [bookmark("20"), error(410)]), (200, [step("ADDED", "a", "8")])]
    followed = Followed(metadata, 2)
    assert (followed.begun, versions(server), followed.watch.error) == (2, ["7", "7"], None)


def test_a_watch_that_fails_is_tried_again_ever_less_often_and_recovers(
    server: ApiServer, metadata: Metadata
) -> None:
    server.watches = [(200, [bookmark("20")]), *[(500, [])] * 6, (200, [step("ADDED", "a", "21")])]
    followed = Followed(metadata, 8)
    assert followed.pauses == [1, 2, 4, 8, 15, 15, 15, 1]
    assert (followed.changed, followed.watch.error, versions(server)[-1]) == (["a"], None, "20")


def test_what_nobody_understands_makes_no_watch_deaf(server: ApiServer, metadata: Metadata) -> None:
    server.watches = [(200, [b"not JSON\n"]), (200, [{"type": "ADDED"}]), (200, [step("ADDED", "a", "8")])]
    followed = Followed(metadata, 3)
    assert (followed.changed, followed.begun) == (["a"], 3)


def test_the_cause_of_a_failure_is_known_while_it_lasts(server: ApiServer, metadata: Metadata) -> None:
    server.refuse = lambda _: (404, "the server could not find the requested resource")
    followed = Followed(metadata, 1)
    assert followed.watch.error is not None
    assert followed.watch.error.status == 404


def test_a_watch_that_nobody_wants_asks_for_nothing_and_lives(server: ApiServer, metadata: Metadata) -> None:
    now, lives = [100.0], []

    def wanted(longest: float) -> bool:
        now[0] += longest
        lives.append(not watch.is_dead)
        return len(lives) == 100

    def end(_: float) -> None:
        raise EnoughError

    server.watches = [(200, [step("ADDED", "a", "8")])]
    watch = Watch("Buckets", metadata, lambda: "7", lambda _: None, end, lambda: now[0], wanted=wanted)
    with pytest.raises(EnoughError):
        watch.run()
    assert lives == [True] * 100
    assert versions(server) == ["7"]


def test_a_watch_of_which_nothing_is_heard_any_more_is_dead(server: ApiServer, metadata: Metadata) -> None:
    now = [100.0]
    server.watches = [(200, [bookmark("20")])]
    watch = Watch("ConfigMaps", metadata, lambda: "7", lambda _: None, clock=lambda: now[0])
    now[0] += LONGEST_SILENCE
    assert not watch.is_dead
    now[0] += 1
    assert watch.is_dead
    watch.follow()
    assert not watch.is_dead


def test_a_server_that_asks_to_be_left_alone_is(server: ApiServer, metadata: Metadata) -> None:
    server.watches = [(429, []), (200, [bookmark("20")])]
    server.headers = {"Retry-After": "40"}
    assert Followed(metadata, 2).pauses == [40, 1]


def test_a_list_whose_rest_is_forgotten_is_begun_anew(server: ApiServer, metadata: Metadata) -> None:
    for number in range(60):
        server.put("configmaps", f"m{number}")
    server.refuse = lambda request: (410, "expired") if "continue" in request.query else None
    seen: list[Key] = []
    with pytest.raises(ExpiredError):
        list_all(metadata, seen.append)
    server.refuse = lambda _: None
    assert list_all(metadata, seen.append) == "7"
    assert {key.name for key in seen} == server.names("configmaps")
