"""Matches texts against several regular expressions at once, in time linear in the text.

The nodes where the expressions may be (Thompson's construction) make one state together. States are made as
texts ask for them and kept up to a limit: what is usual is soon known, what is hostile stays bounded.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from yadokari_builder.dockerfile.location import LanguageError
from yadokari_builder.dockerfile.regexp import Characters, Choice, Expression, Place, Repeat, Sequence

_MOST_NODES = 500_000
_MOST_STATES = 10_000
_MOST_KEPT = 1_000_000
"""How many nodes the states that are kept have altogether."""

_WORD = frozenset("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz")


@dataclass(frozen=True, slots=True)
class _Consume:
    """Takes one character."""

    characters: Characters
    then: int


@dataclass(frozen=True, slots=True)
class _Ask:
    """Goes on where the text is at such a place."""

    place: Place
    then: int


@dataclass(frozen=True, slots=True)
class _Fork:
    """Goes on at several nodes."""

    targets: list[int]


@dataclass(frozen=True, slots=True)
class _Found:
    """The expression has matched, whatever follows."""


_Node = _Consume | _Ask | _Fork | _Found


@dataclass(slots=True)
class _Branch:
    """Where expressions that begin alike go apart: they share what they have in common.

    `owners` are the expressions that come here, `found` those that end here, `start` is the first node.
    """

    owners: int = 0
    found: int = 0
    branches: "dict[Expression, _Branch]" = field(default_factory=dict)
    start: int = 0


@dataclass(frozen=True, slots=True)
class _Situation:
    """The nodes that a text leads to, none of them a fork, and what is behind them."""

    nodes: frozenset[int]
    is_start: bool = False
    after_word: bool = False

    def is_at(self, place: Place, following: str) -> bool:
        """Tell whether this is such a place; `following` is the next character, empty at the end."""
        match place:
            case Place.START:
                return self.is_start
            case Place.END:
                return not following
        is_boundary = self.after_word != (following in _WORD)
        return is_boundary == (place is Place.WORD_BOUNDARY)


class State(dict[str, "State"]):
    """Where an automaton is in a text: a mapping from the next character to the state behind it."""

    __slots__ = ("_automaton", "_matched", "_situation")

    def __init__(self, automaton: "Automaton", situation: _Situation) -> None:
        super().__init__()
        self._automaton = automaton
        self._situation = situation
        self._matched: int | None = None

    def __missing__(self, character: str) -> "State":
        return self._automaton.go_on(self, self._situation, character)

    @property
    def matched(self) -> int:
        """The expressions that match a text which ends here; bit 0 is the first one."""
        if self._matched is None:
            self._matched = self._automaton.found(self._situation)
        return self._matched

    @property
    def alive(self) -> int:
        """The expressions that match this text or may match one that goes on from it."""
        return self._automaton.owners(self._situation.nodes)


class Automaton:
    """Searches for expressions; raises LanguageError where they are too large."""

    def __init__(self, expressions: Iterable[Expression]) -> None:
        self._nodes: list[_Node] = []
        self._owners: list[int] = []
        self._states: dict[_Situation, State] = {}
        self._kept = 0
        starts = frozenset(self._without_forks([self._grow(_tree(expressions))], set()))
        # A search may begin at each character, but for what wants to be at the text's start.
        self._anew = frozenset(node for node in starts if not self._wants_start(node))
        self._asks_words = any(
            isinstance(node, _Ask) and node.place not in (Place.START, Place.END) for node in self._nodes
        )
        self.start = State(self, _Situation(starts, is_start=True))

    def run(self, text: str) -> State:
        """Return the state behind a text."""
        state = self.start
        for character in text:
            state = state[character]
        return state

    def go_on(self, state: State, situation: _Situation, character: str) -> State:
        """Make the state behind the next character, and keep it if there is room."""
        targets = []
        for index in self._reach(situation, character):
            node = self._nodes[index]
            if isinstance(node, _Found):
                targets.append(index)
            elif isinstance(node, _Consume) and character in node.characters:
                targets.append(node.then)
        nodes = self._anew.union(self._without_forks(targets, set()))
        behind = _Situation(nodes, after_word=self._asks_words and character in _WORD)
        known = self._states.get(behind)
        if known is None:
            known = State(self, behind)
            if len(self._states) == _MOST_STATES or self._kept + len(nodes) > _MOST_KEPT:
                return known
            self._kept += len(nodes)
            self._states[behind] = known
        state[character] = known
        return known

    def found(self, situation: _Situation) -> int:
        """Return the expressions that match if the text ends here."""
        reached = self._reach(situation, "")
        return self.owners(frozenset(node for node in reached if isinstance(self._nodes[node], _Found)))

    def owners(self, nodes: frozenset[int]) -> int:
        """Return the expressions that nodes belong to."""
        owners = 0
        for node in nodes:
            owners |= self._owners[node]
        return owners

    def _reach(self, situation: _Situation, following: str) -> Iterable[int]:
        """Return the nodes of a situation, and those behind the places that they ask for."""
        reached = set(situation.nodes)
        waiting = [index for index in situation.nodes if isinstance(self._nodes[index], _Ask)]
        seen: set[int] = set()
        while waiting:
            node = self._nodes[waiting.pop()]
            if isinstance(node, _Ask) and situation.is_at(node.place, following):
                new = self._without_forks([node.then], seen) - reached
                reached |= new
                waiting += new
        return reached

    def _without_forks(self, targets: list[int], seen: set[int]) -> set[int]:
        """Return the nodes that are no forks, and those that the forks lead to; `seen` are left out."""
        reached = set()
        while targets:
            index = targets.pop()
            if index in seen:
                continue
            seen.add(index)
            node = self._nodes[index]
            if isinstance(node, _Fork):
                targets += node.targets
            else:
                reached.add(index)
        return reached

    def _wants_start(self, index: int) -> bool:
        node = self._nodes[index]
        return isinstance(node, _Ask) and node.place is Place.START

    def _grow(self, root: _Branch) -> int:
        """Add the nodes of all expressions; return where they begin."""
        branches = [root]
        for branch in branches:
            branches += branch.branches.values()
        for branch in reversed(branches):
            targets = [self._add(_Found(), branch.found)] if branch.found else []
            for part, following in branch.branches.items():
                targets.append(self._compile(part, following.start, following.owners))
            branch.start = targets[0] if len(targets) == 1 else self._add(_Fork(targets), branch.owners)
        return root.start

    def _compile(self, expression: Expression, then: int, owner: int) -> int:
        """Add the nodes of an expression that goes on at `then`; return where it begins."""
        match expression:
            case Characters():
                return self._add(_Consume(expression, then), owner)
            case Place():
                return self._add(_Ask(expression, then), owner)
            case Sequence(parts):
                for part in reversed(parts):
                    then = self._compile(part, then, owner)
                return then
            case Choice(options):
                return self._add(_Fork([self._compile(one, then, owner) for one in options]), owner)
            case Repeat(part, least, most):
                return self._repeat(part, least, most, then, owner)

    def _repeat(self, part: Expression, least: int, most: int | None, then: int, owner: int) -> int:
        if most is None:
            targets = [then]
            then = self._add(_Fork(targets), owner)
            targets.append(self._compile(part, then, owner))
        else:
            end = then
            for _ in range(most - least):
                then = self._add(_Fork([end, self._compile(part, then, owner)]), owner)
        for _ in range(least):
            then = self._compile(part, then, owner)
        return then

    def _add(self, node: _Node, owner: int) -> int:
        if len(self._nodes) == _MOST_NODES:
            raise LanguageError("the patterns are too large")
        self._nodes.append(node)
        self._owners.append(owner)
        return len(self._nodes) - 1


def _tree(expressions: Iterable[Expression]) -> _Branch:
    root = _Branch()
    for number, expression in enumerate(expressions):
        branch = root
        for part in _parts(expression):
            branch.owners |= 1 << number
            branch = branch.branches.setdefault(part, _Branch())
        branch.owners |= 1 << number
        branch.found |= 1 << number
    return root


def _parts(expression: Expression) -> Iterator[Expression]:
    if isinstance(expression, Sequence):
        for part in expression.parts:
            yield from _parts(part)
    else:
        yield expression
