"""Who leads, for whatever times requests take and whoever dies or sleeps."""

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from yadokari_operator.leadership import ACTS, LASTS, Candidate, Neighbours, Place, Term, elder

PLACE = Place("team", "yadokari-namespace")


def term(holder: str, version: str = "1") -> Term:
    return Term(PLACE, holder, version, "2026-01-02T03:04:05Z")


def test_a_lease_that_nobody_holds_is_taken_at_once() -> None:
    assert Candidate("a").may_take(0)
    assert Candidate("a").saw(term(""), 0).may_take(0)


def test_a_lease_is_taken_from_another_once_nothing_of_it_has_changed_for_its_time() -> None:
    seen = Candidate("b").saw(term("a"), 100)
    assert not seen.may_take(100 + LASTS - 0.1)
    assert seen.may_take(100 + LASTS)
    renewed = seen.saw(term("a", "2"), 110)
    assert not renewed.may_take(100 + LASTS)


def test_a_leader_acts_from_when_it_asked_and_not_from_when_it_was_answered() -> None:
    leads = Candidate("a").took(term("a"), 100, 108)
    assert leads.acts(100 + ACTS - 0.1)
    assert not leads.acts(100 + ACTS)


def test_who_finds_another_in_his_place_acts_no_more() -> None:
    assert not Candidate("a").took(term("a"), 100, 100).saw(term("b", "2"), 101).acts(101)


@dataclass(slots=True)
class Server:
    """A Lease that takes what was made from its latest version; `times` tell who took it when."""

    term: Term | None = None
    times: list[tuple[str, float]] = field(default_factory=list)

    def write(self, holder: str, before: Term | None, asked: float) -> Term | None:
        if (before and before.version) != (self.term and self.term.version):
            return None
        self.times.append((holder, asked))
        self.term = term(holder, str(len(self.times)))
        return self.term


DELAYS = st.floats(0, 40, allow_nan=False)
MOVES = st.lists(
    st.tuples(st.sampled_from("abc"), st.floats(0, 9), st.one_of(st.just(0.0), DELAYS), st.booleans()),
    max_size=60,
)


@settings(max_examples=400)
@given(MOVES, st.dictionaries(st.sampled_from("abc"), st.floats(-1e6, 1e6)))
def test_no_two_act_at_a_time_whatever_requests_and_clocks_do(
    moves: list[tuple[str, float, float, bool]], skews: dict[str, float]
) -> None:
    server = Server()
    candidates = {name: Candidate(name) for name in "abc"}
    busy = dict.fromkeys("abc", 0.0)
    acting: list[tuple[str, float, float]] = []
    now = 0.0
    for name, pause, delay, is_answered in moves:
        now += pause
        # A request that is under way keeps its process from the next one.
        if busy[name] > now:
            continue
        skew = skews.get(name, 0.0)
        one = candidates[name]
        found = server.term
        if found is not None:
            one = one.saw(found, now + skew)
        if one.may_take(now + skew) and (held := server.write(name, found, now)) and is_answered:
            busy[name] = now + delay
            one = one.took(held, now + skew, busy[name] + skew)
            acting.append((name, busy[name], now + ACTS))
        candidates[name] = one
    acting.sort(key=lambda it: it[1])
    for index, (name, begin, end) in enumerate(acting):
        for other, its_begin, its_end in acting[index + 1 :]:
            assert name == other or max(begin, its_begin) >= min(end, its_end)


def lease(namespace: str, created: str, name: str = "yadokari-all-namespaces", version: str = "1") -> Term:
    return Term(Place(namespace, name), "somebody", version, created)


def test_of_installations_the_older_goes_first_and_of_equals_one() -> None:
    old, new = lease("z", "2026-01-01T00:00:00Z"), lease("a", "2026-01-02T00:00:00Z")
    assert (elder(new, [old]), elder(old, [new]), elder(old, [])) == (old, None, None)
    assert elder(None, [old, new]) == old
    twin = lease("a", old.created)
    assert (elder(old, [twin]), elder(twin, [old])) == (twin, None)


def test_neighbours_live_as_long_as_their_leases_change() -> None:
    one, other = lease("a", "1"), lease("b", "1")
    known = Neighbours().saw([one, other], 0).saw([one, lease("b", "1", version="2")], 10)
    assert known.living(14) == {one, lease("b", "1", version="2")}
    assert {it.place.namespace for it in known.living(LASTS)} == {"b"}
    assert known.saw([], 20).living(20) == frozenset()
