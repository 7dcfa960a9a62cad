"""Operators that stand for election, against an API server that holds Leases in memory."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from support.apiserver import ApiServer, Request, serve
from yadokari_operator.cluster.api import Api, ClusterError
from yadokari_operator.cluster.leases import Leases
from yadokari_operator.handlers.election import OF_ALL, OF_ONE, Election, Told
from yadokari_operator.leadership import ACTS, LASTS, Place


@dataclass(slots=True)
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass(slots=True)
class Standing:
    """An operator in an election; `told` is what it was told."""

    election: Election
    told: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Polls:
    """A server, and a clock that all share."""

    api: Api
    server: ApiServer
    clock: Clock = field(default_factory=Clock)

    def stand(self, me: str, namespace: str = "system", name: str = OF_ONE) -> Standing:
        words: list[str] = []
        told = Told(*(lambda word=word: words.append(word) for word in ("begins", "lost", "returned")))
        return Standing(Election(Leases(self.api), Place(namespace, name), me, told, self.clock), words)

    def rounds(self, seconds: int, *ones: Standing) -> None:
        """Let time go by, in which some see to the Lease each second."""
        for _ in range(seconds):
            for one in ones:
                one.election.step()
            self.clock.now += 1


@pytest.fixture
def polls() -> Iterator[Polls]:
    server = ApiServer()
    with serve(server) as api:
        yield Polls(api, server)


def test_the_first_works_and_the_second_says_who_does(polls: Polls) -> None:
    first, second = polls.stand("first"), polls.stand("second")
    polls.rounds(20, first, second)
    assert (first.told, second.told) == (["begins"], [])
    assert (first.election.leads, second.election.leads) == (True, False)
    assert second.election.standing == "stands by: first works"


def test_the_second_takes_over_when_the_lease_of_one_that_died_has_run_out(polls: Polls) -> None:
    first, second = polls.stand("first"), polls.stand("second")
    polls.rounds(5, first, second)
    polls.rounds(int(LASTS) - 1, second)
    assert not second.election.leads
    polls.rounds(1, second)
    assert second.told == ["begins"]


def test_the_second_takes_over_at_once_from_one_that_ends(polls: Polls) -> None:
    first, second = polls.stand("first"), polls.stand("second")
    polls.rounds(5, first, second)
    first.election.end()
    first.election.run()
    assert not first.election.leads
    polls.rounds(1, second)
    assert second.election.leads


def test_a_leader_that_slept_finds_another_in_its_place_and_is_told(polls: Polls) -> None:
    first, second = polls.stand("first"), polls.stand("second")
    polls.rounds(5, first, second)
    polls.rounds(20, second)
    assert not first.election.leads
    polls.rounds(1, first)
    assert first.told == ["begins", "lost"]
    assert not first.election.leads


def test_a_leader_that_cannot_renew_acts_no_more_and_goes_on_when_nobody_has_taken_its_place(
    polls: Polls,
) -> None:
    first = polls.stand("first")
    writes = polls.api.limited(lambda: first.election.leads)
    polls.rounds(5, first)
    polls.server.refuse = lambda _: (500, "etcd is gone")
    polls.rounds(int(ACTS) - 2, first)
    assert first.election.leads
    polls.rounds(2, first)
    polls.server.refuse = lambda _: None
    before = len(polls.server.requests)
    with pytest.raises(ClusterError, match="does not lead"):
        writes.request("POST", "/api/v1/namespaces/team/pods", body={"metadata": {"name": "late"}})
    assert len(polls.server.requests) == before
    assert "nobody knows who does: etcd is gone" in first.election.standing
    polls.rounds(1, first)
    assert (first.election.leads, first.told) == (True, ["begins"])


def test_a_lease_that_somebody_deleted_is_made_again(polls: Polls) -> None:
    first, second = polls.stand("first"), polls.stand("second")
    polls.rounds(5, first, second)
    polls.server.resources.clear()
    polls.rounds(5, first, second)
    assert (first.election.leads, first.told, second.told) == (True, ["begins"], [])


def test_of_two_that_write_at_a_time_one_works(polls: Polls) -> None:
    first, second = polls.stand("first"), polls.stand("second")

    def overtaken(request: Request) -> None:
        if request.method == "POST":
            polls.server.refuse = lambda _: None
            second.election.step()

    polls.server.refuse = overtaken
    first.election.step()
    assert (first.election.leads, second.election.leads) == (False, True)


def test_an_operator_for_all_leaves_alone_the_namespaces_that_have_one_of_their_own(polls: Polls) -> None:
    wide, own = polls.stand("wide", name=OF_ALL), polls.stand("own", "team")
    polls.rounds(3, wide, own)
    polls.rounds(11, wide, own)
    assert (wide.election.cedes("team"), wide.election.cedes("other")) == (True, False)
    assert wide.election.leads
    polls.rounds(40, wide)
    assert not wide.election.cedes("team")
    assert wide.told == ["begins", "returned"]


def test_of_two_installations_for_all_namespaces_the_older_works(polls: Polls) -> None:
    old = polls.stand("old", "one", OF_ALL)
    polls.rounds(3, old)
    new = polls.stand("new", "another", OF_ALL)
    polls.server.resources[_path("one"), OF_ALL]["metadata"]["creationTimestamp"] = "2025-01-01T00:00:00Z"
    polls.rounds(40, old, new)
    assert (old.told, new.told) == (["begins"], [])
    assert new.election.standing == "stands by: old of namespace one works for all namespaces"
    polls.rounds(int(LASTS) + 1, new)
    assert new.told == ["begins"]


def test_of_two_installations_that_begin_at_a_time_one_works(polls: Polls) -> None:
    ones = polls.stand("a", "one", OF_ALL), polls.stand("b", "two", OF_ALL)
    polls.rounds(40, *ones)
    assert sorted(one.told for one in ones) == [[], ["begins"]]


def test_an_older_installation_that_comes_back_begins_when_the_younger_has_given_way(polls: Polls) -> None:
    old, new = polls.stand("old", "one", OF_ALL), polls.stand("new", "two", OF_ALL)
    polls.rounds(3, old)
    polls.rounds(20, new)
    assert new.election.leads
    again = polls.stand("again", "one", OF_ALL)
    again.election.step()
    assert (again.election.leads, new.election.leads) == (False, True)
    assert again.election.standing == "begins when new of namespace two has given way"
    polls.rounds(30, again, new)
    assert (again.told, new.told) == (["begins"], ["begins", "lost"])


def test_a_younger_lease_that_somebody_renews_and_never_gives_back_keeps_nobody_from_working(
    polls: Polls,
) -> None:
    old = polls.stand("old", "one", OF_ALL)
    polls.rounds(3, old)
    leases, forged = Leases(polls.api), Place("tenant", OF_ALL)
    held = leases.hold(forged, None, "tenant 0")
    again = polls.stand("again", "one", OF_ALL)
    for second in range(60):
        held = leases.hold(forged, held, f"tenant {second}")
        polls.rounds(1, again)
    assert again.election.leads


def _path(namespace: str) -> str:
    return f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
