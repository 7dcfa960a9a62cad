"""One operator works where several run: keeps the Lease of what is watched, and sees other installations."""

import logging
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

from yadokari_operator.cluster.api import ClusterError
from yadokari_operator.cluster.leases import Leases
from yadokari_operator.leadership import Candidate, Neighbours, Place, Term, elder
from yadokari_operator.settings import Settings

logger = logging.getLogger(__name__)

OF_ALL = "yadokari-all-namespaces"
OF_ONE = "yadokari-namespace"
"""What the Lease is called, by what its operator watches: two that watch the same want the same one."""

_PAUSE = 1.0
_RENEWS = 2.0
_LOOKS_AROUND = 10.0
_GIVES_WAY = 30.0
"""Seconds in which an operator gives way surely; who does not is none, and whoever may edit a namespace may
write a Lease there."""


def place_of(settings: Settings) -> Place:
    """Tell which Lease an operator wants."""
    return Place(settings.lease_namespace, OF_ONE if settings.namespace else OF_ALL)


@dataclass(frozen=True, slots=True)
class Told:
    """What is to be done as it becomes true: work `begins`, it is `lost` to another, namespaces come back."""

    begins: Callable[[], None]
    lost: Callable[[], None]
    returned: Callable[[], None]


class Election:
    """An operator's part in the election, in a thread of its own.

    `place` is its Lease. Of installations that watch all namespaces the one whose Lease is the oldest works,
    and it leaves alone those namespaces in which an operator works that watches nothing else.
    """

    def __init__(
        self, leases: Leases, place: Place, me: str, told: Told, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._leases = leases
        self._place = place
        self._told = told
        self._clock = clock
        self._candidate = Candidate(me)
        self._neighbours = Neighbours()
        self._looks_at = clock()
        self._elder = ""
        self._rivals: frozenset[Term] = frozenset()
        self._ceded: frozenset[str] = frozenset()
        self._trouble = ""
        self._said = ""
        self._has_begun = False
        self._waits_until: float | None = None
        self._ending = threading.Event()

    def run(self) -> None:
        """Stand until it is to `end`; another can take over at once then."""
        self.step()
        while not self._ending.wait(_RENEWS if self.leads else _PAUSE):
            self.step()
        self._release()

    def end(self) -> None:
        """Stand no longer, once nothing is acted upon any more."""
        self._ending.set()

    def step(self) -> None:
        """Look at the Lease once, and take or renew it where that can be."""
        try:
            if self._watches_all and (not self._has_begun or self._clock() >= self._looks_at):
                self._look_around()
            if self._elder:
                self._give_way()
            else:
                self._stand()
            self._trouble = ""
        except ClusterError as error:
            self._trouble = str(error)
        except Exception as error:
            # Whatever it is that the server sent: this thread must not end.
            if str(error) != self._trouble:
                logger.exception("an error of the operator itself, while it sees to who works")
            self._trouble = str(error)
        if self.standing != self._said:
            logger.info("%s", self.standing)
        self._said = self.standing

    @property
    def leads(self) -> bool:
        """Whether this operator may act now."""
        return self._has_begun and self._candidate.acts(self._clock())

    @property
    def standing(self) -> str:
        """Say who works."""
        if self.leads:
            return "this operator works"
        if self._trouble:
            return f"does not work, since nobody knows who does: {self._trouble}"
        if self._elder:
            return f"stands by: {self._elder}"
        if self._rivals:
            return f"begins when {_named(self._rivals)} has given way"
        holder = self._candidate.seen.term.holder if self._candidate.seen else ""
        return f"stands by: {holder} works" if holder else "stands by: nobody works yet"

    def cedes(self, namespace: str) -> bool:
        """Whether a namespace has an operator of its own."""
        return namespace in self._ceded

    @property
    def _watches_all(self) -> bool:
        return self._place.name == OF_ALL

    def _stand(self) -> None:
        asked = self._clock()
        found = self._leases.find(self._place)
        if found is not None:
            self._candidate = self._candidate.saw(found, self._clock())
            if self._has_begun and found.holder != self._candidate.me:
                self._lose()
        if not self._candidate.may_take(self._clock()):
            return
        held = self._leases.hold(self._place, found, self._candidate.me)
        if held is None:
            return
        self._candidate = self._candidate.took(held, asked, self._clock())
        if self._watches_all and not self._has_begun:
            # Of two that begin at a time each sees the other, since both have their Lease by now.
            self._look_around()
        if not (self._has_begun or self._elder or self._waits_for_rivals()):
            self._has_begun = True
            self._told.begins()

    def _waits_for_rivals(self) -> bool:
        """Whether a younger one may still work, who is to give way."""
        if not self._rivals:
            return False
        if self._waits_until is None:
            self._waits_until = self._clock() + _GIVES_WAY
        if self._clock() < self._waits_until:
            return True
        logger.warning("begins although %s has not given way", _named(self._rivals))
        return False

    def _give_way(self) -> None:
        self._lose()
        self._release()

    def _lose(self) -> None:
        self._waits_until = None
        if self._has_begun:
            self._has_begun = False
            self._told.lost()

    def _release(self) -> None:
        candidate, self._candidate = self._candidate, Candidate(self._candidate.me)
        if candidate.until is None or candidate.seen is None:
            return
        try:
            self._leases.hold(self._place, candidate.seen.term, "")
        except ClusterError as error:
            logger.warning("the next operator begins when the Lease has run out: %s", error)

    def _look_around(self) -> None:
        terms = [*self._leases.named(OF_ALL), *self._leases.named(OF_ONE)]
        now = self._clock()
        self._looks_at = now + _LOOKS_AROUND
        self._neighbours = self._neighbours.saw(terms, now)
        living = self._neighbours.living(now)
        own = next((it for it in terms if it.place == self._place), None)
        self._rivals = frozenset(it for it in living if it.place.name == OF_ALL and it.place != self._place)
        first = elder(own, self._rivals)
        self._elder = f"{_named({first})} works for all namespaces" if first else ""
        self._leave_alone(frozenset(it.place.namespace for it in living if it.place.name == OF_ONE))

    def _leave_alone(self, ceded: frozenset[str]) -> None:
        new, gone = ceded - self._ceded, self._ceded - ceded
        self._ceded = ceded
        if new:
            logger.info("left alone, since operators of their own work there: %s", ", ".join(sorted(new)))
        if gone:
            logger.info("no operator of their own works there any more: %s", ", ".join(sorted(gone)))
            self._told.returned()


def _named(terms: Collection[Term]) -> str:
    return " and ".join(sorted(f"{it.holder} of namespace {it.place.namespace}" for it in terms))
