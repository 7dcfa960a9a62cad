"""Who leads: of several operators one works, and the others stand by, as a Lease has it.

Pure; times are seconds of the caller's own clock, which need not agree with anybody else's. A leader acts for
`ACTS` seconds from when it last *asked* to have its term renewed; others take the term once they have seen
nothing of it change for `LASTS` seconds. The first is shorter, so no two act at a time, whatever happens to
requests, processes and the network, as long as all clocks run about equally fast. What a leader began in its
last moment and the server does after that is safe by itself: names of pods follow from what is built,
deletions tell a UID, and statuses the version that they were made from.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

LASTS = 15.0
ACTS = 10.0


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where a Lease lies."""

    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Term:
    """A Lease as it was read: nobody holds it where `holder` is empty; `created` tells the older of two."""

    place: Place
    holder: str
    version: str
    created: str = ""
    transitions: int = 0


@dataclass(frozen=True, slots=True)
class Sighting:
    """A term, and since when it has been seen so."""

    term: Term
    since: float

    def lasts(self, now: float) -> bool:
        """Whether somebody holds it, as far as can be told."""
        return self.term.holder != "" and now < self.since + LASTS


@dataclass(frozen=True, slots=True)
class Candidate:
    """What an operator knows of the term that it wants, and until when it may act."""

    me: str
    seen: Sighting | None = None
    until: float | None = None

    def saw(self, term: Term, now: float) -> "Candidate":
        """Note how the Lease was found; who finds another in his place acts no more."""
        seen = sighted(self.seen, term, now)
        return replace(self, seen=seen, until=self.until if term.holder == self.me else None)

    def may_take(self, now: float) -> bool:
        """Whether to write oneself into the Lease."""
        return self.seen is None or self.seen.term.holder == self.me or not self.seen.lasts(now)

    def took(self, term: Term, asked: float, now: float) -> "Candidate":
        """Note that the server has taken what was asked at a time."""
        return replace(self, seen=sighted(self.seen, term, now), until=asked + ACTS)

    def acts(self, now: float) -> bool:
        """Whether this one leads."""
        return self.until is not None and now < self.until


@dataclass(frozen=True, slots=True)
class Neighbours:
    """What an operator that watches all namespaces knows of other installations."""

    seen: Mapping[Place, Sighting] = field(default_factory=lambda: MappingProxyType({}))

    def saw(self, terms: Collection[Term], now: float) -> "Neighbours":
        """Note all the Leases that were found."""
        return Neighbours({it.place: sighted(self.seen.get(it.place), it, now) for it in terms})

    def living(self, now: float) -> frozenset[Term]:
        """Tell the terms that somebody holds."""
        return frozenset(it.term for it in self.seen.values() if it.lasts(now))


def elder(own: Term | None, others: Collection[Term]) -> Term | None:
    """Tell who goes before an installation: the oldest, by when its Lease was made, which never changes."""
    first = min(others, key=_age, default=None)
    return first if first is not None and (own is None or _age(first) < _age(own)) else None


def sighted(before: Sighting | None, term: Term, now: float) -> Sighting:
    """See a term: as before, or changed by now."""
    return before if before is not None and before.term == term else Sighting(term, now)


def _age(term: Term) -> tuple[str, Place]:
    return term.created, term.place
