"""The logs of executors, followed over HTTP."""

import itertools
import threading
import time
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from support.apiserver import ApiServer, serve
from support.operator_process import wait_until
from yadokari_api.keys import Key
from yadokari_contract.progress import Progress
from yadokari_operator.cluster.resources import Cluster
from yadokari_operator.progress.following import Following

KEY = Key("team", "app")
SECOND = Progress("Building", 2, 3, "RUN make")


def step(number: int, total: int = 3) -> bytes:
    return timed(b"STEP %d/%d RUN make" % (number, total), number)


def timed(line: bytes, number: int) -> bytes:
    """A line as the kubelet gives it, so many hundredths of a second after the first one."""
    return b"2026-01-02T03:04:%02d.%02dZ %s\n" % (*divmod(number, 100), line)


class Changes:
    """Whose progress is to be looked at, and in how many seconds."""

    def __init__(self) -> None:
        self.told: list[tuple[Key, float]] = []

    def __call__(self, key: Key, delay: float) -> None:
        self.told.append((key, delay))


class Seen(NamedTuple):
    """What was shown at first between two moments."""

    asked_at: float
    known_at: float
    shown: object


def note(seen: list[Seen], asked_at: float, shown: object) -> None:
    """Note what is shown if it is another thing than before."""
    if not seen or shown != seen[-1].shown:
        seen.append(Seen(asked_at, time.monotonic(), shown))


@pytest.fixture
def changes() -> Changes:
    return Changes()


@pytest.fixture
def server() -> ApiServer:
    return ApiServer()


@pytest.fixture
def following(server: ApiServer, changes: Changes) -> Iterator[Following]:
    with serve(server) as api:
        following = Following(Cluster(api), changes)
        yield following
        following.forget(KEY)


def asked(server: ApiServer) -> list[dict[str, str]]:
    return [request.query for request in server.requests if request.path.endswith("/log")]


def open_end(server: ApiServer, *pieces: bytes) -> Iterator[bytes]:
    """A log that goes on after these pieces."""
    yield from pieces
    server.stopped.wait()


def test_a_build_is_asked_about_again_when_its_log_tells_something(
    server: ApiServer, following: Following, changes: Changes
) -> None:
    server.logs = [(200, open_end(server, timed(b"resolving a", 0), step(1)[:5], step(1)[5:], step(2)))]
    wait_until(lambda: following.progress(KEY, {"app-1": "u1"}).get("app-1") == SECOND)
    wait_until(lambda: {key for key, _ in changes.told} == {KEY})
    assert asked(server) == [
        {"container": "executor", "follow": "true", "tailLines": "600", "timestamps": "true"}
    ]


def test_what_is_shown_changes_once_a_second_at_most_and_ends_with_the_latest(
    server: ApiServer, following: Following, changes: Changes
) -> None:
    def log() -> Iterator[bytes]:
        for number in range(1, 150):
            yield step(number, 200)
            time.sleep(0.01)
        server.stopped.wait()

    server.logs = [(200, log())]
    seen: list[Seen] = []

    def look() -> bool:
        asked_at = time.monotonic()
        now = following.progress(KEY, {"app-1": "u1"}).get("app-1")
        note(seen, asked_at, now)
        return now == Progress("Building", 149, 200, "RUN make")

    wait_until(look)
    assert all(later.known_at - earlier.asked_at >= 1 for earlier, later in itertools.pairwise(seen[1:]))
    # Who looks too early is told when to look again.
    assert 0 < max(delay for _, delay in changes.told) <= 1


@pytest.mark.parametrize("how", ["ended", "refused"])
def test_after_a_lost_connection_it_goes_on_from_where_it_was(
    server: ApiServer, following: Following, how: str
) -> None:
    server.logs = [
        (200, [step(1)]),
        *([(503, ())] if how == "refused" else []),
        (200, open_end(server, step(1), step(2))),
    ]
    following.progress(KEY, {"app-1": "u1"}).get("app-1")
    wait_until(lambda: following.progress(KEY, {"app-1": "u1"}).get("app-1") == SECOND)
    assert {it["tailLines"] for it in asked(server)} == {"600"}


NOISE = timed(b"[ 42%] Building CXX object src/CMakeFiles/app.dir/main.cpp.o", 0)


def test_of_a_log_that_comes_too_fast_the_end_is_looked_at_until_it_is_quiet(
    server: ApiServer, following: Following
) -> None:
    flood = itertools.chain([step(1, 20)], itertools.repeat(NOISE * 10))
    looks = [[NOISE * 500, step(number, 20)] for number in range(2, 18)]
    server.logs = [(200, flood), *((200, look) for look in looks), (200, open_end(server, step(20, 20)))]
    seen: list[int] = []

    def look() -> bool:
        if (now := following.progress(KEY, {"app-1": "u1"}).get("app-1")) and now.step not in seen:
            seen.append(now.step)
        return 20 in seen

    wait_until(look)
    assert seen == sorted(seen)
    assert len(seen) > 5
    follows = [it.get("follow", "") for it in asked(server)]
    assert follows == ["true", *([""] * 16), "true"]


def test_a_look_ends_with_the_lines_that_were_there_however_fast_others_come(
    server: ApiServer, following: Following
) -> None:
    looked = [NOISE * 300, step(2), NOISE * 299]
    server.logs = [
        (200, itertools.repeat(NOISE * 10)),
        (200, itertools.chain(looked, itertools.repeat(NOISE * 10))),
        (200, open_end(server)),
    ]
    wait_until(lambda: following.progress(KEY, {"app-1": "u1"}).get("app-1") == SECOND)
    wait_until(lambda: len(asked(server)) == 3)


def test_each_pod_has_its_own_progress(server: ApiServer, following: Following) -> None:
    server.logs = [(200, open_end(server, step(2))), (200, open_end(server, step(1)))]
    following.progress(KEY, {"app-1": "u1"}).get("app-1")
    wait_until(lambda: following.progress(KEY, {"app-1": "u1"}).get("app-1") == SECOND)
    assert following.progress(KEY, {"app-2": "u2"}).get("app-2") != SECOND


def test_the_logs_of_all_pods_of_a_build_are_followed_at_once(
    server: ApiServer, following: Following
) -> None:
    server.logs = [(200, open_end(server, step(2))) for _ in range(2)]
    pods = {"app-1-linux-amd64-1": "u1", "app-1-linux-arm64-1": "u2"}
    wait_until(lambda: following.progress(KEY, pods) == dict.fromkeys(pods, SECOND))
    # One that ends takes nothing from the other one.
    left = {"app-1-linux-arm64-1": "u2"}
    assert following.progress(KEY, left) == dict.fromkeys(left, SECOND)
    assert len(server.requests) == 2


def test_what_is_shown_of_a_build_changes_once_a_second_at_most_however_many_pods_it_has(
    server: ApiServer, following: Following
) -> None:
    def log() -> Iterator[bytes]:
        for number in range(1, 300):
            yield step(number, 300)
            time.sleep(0.01)
        server.stopped.wait()

    server.logs = [(200, log()) for _ in range(4)]
    pods = {f"app-1-{number}": f"u{number}" for number in range(4)}
    seen: list[Seen] = []

    def look() -> bool:
        asked_at = time.monotonic()
        now = following.progress(KEY, pods)
        note(seen, asked_at, now)
        return set(now.values()) == {Progress("Building", 299, 300, "RUN make")}

    wait_until(look)
    assert all(later.known_at - earlier.asked_at >= 1 for earlier, later in itertools.pairwise(seen[1:]))


def test_of_more_pods_than_can_be_followed_the_first_ones_are(server: ApiServer, changes: Changes) -> None:
    server.logs = [(200, open_end(server, step(2))) for _ in range(5)]
    first, second = Key("team", "first"), Key("team", "second")
    with serve(server) as api:
        following = Following(Cluster(api), changes, most=3)
        pods = {"a": "u1", "b": "u2"}
        wait_until(lambda: following.progress(first, pods) == {"a": SECOND, "b": SECOND})
        wait_until(lambda: following.progress(second, pods) == {"a": SECOND})
        following.forget(first)
        wait_until(lambda: following.progress(second, pods) == {"a": SECOND, "b": SECOND})
        following.forget(second)


def test_a_build_that_runs_no_more_is_followed_no_more(server: ApiServer, following: Following) -> None:
    server.logs = [(200, [step(1)])] * 100
    before = {*threading.enumerate()}
    following.progress(KEY, {"app-1": "u1"}).get("app-1")
    (thread,) = (it for it in threading.enumerate() if it.name == "log of team/app-1" and it not in before)
    wait_until(lambda: len(asked(server)) > 0)
    following.forget(KEY)
    wait_until(lambda: not thread.is_alive())


def test_fifty_logs_are_followed_at_once(server: ApiServer, changes: Changes) -> None:
    keys = [Key("team", f"app{number}") for number in range(50)]
    server.logs = [(200, open_end(server, step(2))) for _ in keys]
    with serve(server) as api:
        following = Following(Cluster(api), changes)
        wait_until(lambda: all(following.progress(key, {"pod": "u"}) == {"pod": SECOND} for key in keys))
        assert len(asked(server)) == 50
        for key in keys:
            following.forget(key)
