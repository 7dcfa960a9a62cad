"""What is known of a build's steps: which an earlier build has done, and what is still to be found out."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain

from yadokari_builder.build.caching.changes import BELOW, Miss, changes
from yadokari_builder.build.caching.outlines import CachedOutlines
from yadokari_builder.build.caching.taken import Takings, looks_elsewhere
from yadokari_builder.build.caching.writing import Left
from yadokari_builder.cache.steps.entry import Trace
from yadokari_builder.cache.steps.key import (
    Key,
    Making,
    name_of,
    name_of_copy,
    name_of_last,
    name_of_layer,
    step_key,
)
from yadokari_builder.cache.steps.probe import Prober
from yadokari_builder.errors import BuilderError
from yadokari_builder.layers.pack import PackedLayer
from yadokari_builder.oci.digest import Digest
from yadokari_builder.plan.plan import Plan, PlannedStage
from yadokari_builder.plan.steps import (
    CopyAction,
    ImageSource,
    RunAction,
    Source,
    StageSource,
    Step,
)
from yadokari_builder.registry.pull import PulledImage
from yadokari_builder.registry.source import LayerSource, LocalLayer

logger = logging.getLogger(__name__)

Place = tuple[int, int]
"""A step: the index of its stage, and its place in it."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Which steps are looked for and kept; those that make a folder for working in always are."""

    copies: bool
    runs: bool

    def includes(self, step: Step) -> bool:
        """Tell whether a step is looked for and kept."""
        match step.action:
            case RunAction():
                return self.runs
            case CopyAction():
                return self.copies
        return step.action is not None


@dataclass(frozen=True, slots=True)
class Hit:
    """A step that is done: its name to the steps after it, its layer if it has one, and when it was done.

    `created` is in seconds since the epoch, `seconds` how long it took. The `outline` is the layer's, if that
    is small.
    """

    name: str
    layer: LayerSource | None
    created: int
    seconds: float = 0
    outline: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class _Sight:
    """What is known of a step before it is done: its key, or keys, and its name where that is no secret."""

    keys: tuple[Key, ...]
    name: str | None


@dataclass(slots=True)
class StepCache:
    """Finds what was done before, step by step, and passes on what is done now.

    `write` has an entry written; None where nothing is. `send` has a layer of the image sent from where it
    is to where it is wanted, and tells in the end whether that was possible.
    """

    making: Making
    policy: Policy
    prober: Prober
    takings: Takings
    write: Callable[[Left], None] | None
    send: Callable[[LayerSource], "Future[None] | None"]
    outlines: CachedOutlines
    _plan: Plan = field(init=False)
    _hits: dict[Place, Hit] = field(default_factory=dict)
    _sights: dict[Place, _Sight] = field(default_factory=dict)
    _performed: dict[Place, "Future[str]"] = field(default_factory=dict)
    _entries: dict[str, Hit | None] = field(default_factory=dict)
    _looked_at: set[Place] = field(default_factory=set)
    _ends: dict[int, int] = field(default_factory=dict)

    def keeps(self, step: Step) -> bool:
        """Tell whether what a step leaves is kept."""
        return self.write is not None and self.policy.includes(step)

    def begin(self, plan: Plan) -> None:
        """Begin a build, or begin it again, and look for all that can be known."""
        self._plan = plan
        for known in (self._hits, self._sights, self._performed, self._looked_at):
            known.clear()
        self.takings.forget_stages()
        bases = [stage.base for stage in plan.stages if isinstance(stage.base, StageSource)]
        read = {*chain.from_iterable(stage.sources for stage in plan.stages), *bases}
        for stage in plan.stages:
            is_read = StageSource(stage.index) in read
            self._ends[stage.index] = len(stage.steps) if is_read else self._end(stage)
        self._look_ahead()
        # What is behind a step that is not known is looked at in any case, when it is its turn.
        self.takings.read_ahead(
            step
            for stage in plan.stages
            for step in stage.steps[: self._ends[stage.index]]
            if self._is_looked_at(step)
        )

    def find(self, stage: PlannedStage, place: int) -> Hit | None:
        """Return what an earlier build left of a step, None if it is to be performed."""
        step, where = stage.steps[place], (stage.index, place)
        if where not in self._hits:
            self._look_ahead()
        if where not in self._hits and place < self._ends[stage.index] and looks_elsewhere(step):
            self._look_into_sources(step, where)
            self._look_ahead()
        return self._hits.get(where)

    def key_of(self, stage: PlannedStage, place: int) -> str:
        """Return by what a step was looked for, empty where it was not."""
        sight = self._sights.get((stage.index, place))
        return sight.keys[-1].name if sight and self.policy.includes(stage.steps[place]) else ""

    def why_missed(self, stage: PlannedStage, place: int) -> Miss | None:
        """Say why a step has to be performed; None for one that is not looked for."""
        sight = self._sights.get((stage.index, place))
        if not self.policy.includes(stage.steps[place]):
            return None
        if sight is None:
            why = "what it starts from is not known to the cache"
            return Miss(why, follows=self._misses_below(stage, place))
        if any(self.prober.is_expired(key.name) for key in sight.keys):
            return Miss("what is in the cache is too old")
        last = name_of_last(stage.steps[place], stage.index, self.making.platform)
        then = self.prober.recall(last)
        now = self._trace(stage.steps[place], sight)
        if then is None:
            return Miss("nothing of it is in the cache" if self.prober.asks else "no cache can be asked")
        changed = [*changes(then, now)]
        return Miss("; ".join(changed), follows=changed == [BELOW] and self._misses_below(stage, place))

    def done(
        self,
        stage: PlannedStage,
        place: int,
        layer: "Future[PackedLayer] | None",
        *,
        seconds: float,
        is_kept: bool,
    ) -> None:
        """Take a step that was performed in `seconds`; without `is_kept` its layer does not tell all."""
        where = (stage.index, place)
        named: Future[str] = Future()
        self._performed[where] = named
        made = partial(self._made, stage, place, self._sights.get(where), named, seconds, is_kept)
        if layer:
            layer.add_done_callback(made)
        else:
            made(None)

    def remaining(self) -> Plan:
        """Return the plan without what is done already."""
        stages = (
            replace(
                stage,
                steps=tuple(
                    replace(step, action=None) if (stage.index, place) in self._hits else step
                    for place, step in enumerate(stage.steps)
                ),
            )
            for stage in self._plan.stages
        )
        return replace(self._plan, stages=tuple(stages))

    def spoil(self, digest: Digest, why: str, *, with_others: bool = False) -> bool:
        """Forget entries whose layer turned out to be of no use; tell whether there were any.

        Those of all others in its repository go `with_others`.
        """
        layers = {key: hit.layer for key, hit in [*self._entries.items()] if hit and hit.layer}
        spoiled = {key for key, layer in layers.items() if _digest(layer) == digest}
        places = {place for key in spoiled if with_others and (place := layers[key].repository)}
        spoiled |= {key for key, layer in layers.items() if layer.repository in places}
        self._entries.update(dict.fromkeys(spoiled))
        for place in places:
            # It would not give these either, and keep the build waiting for each.
            self.outlines.leave(place)
            logger.warning(
                "cache: layers of %s are left out, and what made them is done again: %s", place, why
            )
        if spoiled and not places:
            logger.warning("cache: layer %s is left out, and what made it is done again: %s", digest, why)
        return bool(spoiled) or self.outlines.spoil(digest, why)

    def _made(
        self,
        stage: PlannedStage,
        place: int,
        sight: _Sight | None,
        named: "Future[str]",
        seconds: float,
        is_kept: bool,
        done: "Future[PackedLayer] | None",
    ) -> None:
        """Name what was made, and keep it; called in any thread."""
        if done and (done.cancelled() or done.exception()):
            named.set_exception(_UnknownError())
            return
        packed = done.result() if done else None
        step = stage.steps[place]
        if isinstance(step.action, RunAction):
            name = name_of_layer(packed.content) if packed else ""
        elif sight and sight.name is not None:
            name = sight.name
        else:
            named.set_exception(_UnknownError())
            return
        if sight and is_kept:
            source = LocalLayer(packed.layer, packed.file.open) if packed else None
            # Who reads the cache may not be who may read the image.
            is_secret = bool(packed and packed.leaks)
            is_written = self.keeps(step) and not is_secret
            outline = self.outlines.within(packed.layer, packed.outline) if packed and is_written else b""
            hit = Hit(name, source, int(time.time()), seconds, outline)
            self._entries.update({key.name: hit for key in sight.keys})
            if self.write and is_written:
                self.write(self._left(stage, step, [key.name for key in sight.keys], hit, sight))
        named.set_result(name)

    def _left(self, stage: PlannedStage, step: Step, keys: Sequence[str], hit: Hit, sight: _Sight) -> Left:
        platform = stage.state.image.platform
        original = step.instruction.original
        last = name_of_last(step, stage.index, self.making.platform)
        trace = self._trace(step, sight)
        made = (hit.layer, hit.created, hit.seconds, hit.outline)
        return Left(keys, last, hit.name, original, trace, platform, *made)

    def _trace(self, step: Step, sight: _Sight) -> Trace:
        return Trace(sight.keys[-1].parts, self.takings.listing(step))

    def _misses_below(self, stage: PlannedStage, place: int) -> bool:
        """Tell whether a step below was looked for and had to be performed."""
        if any(
            (stage.index, below) in self._performed and self.policy.includes(step)
            for below, step in enumerate(stage.steps[:place])
        ):
            return True
        if not isinstance(stage.base, StageSource):
            return False
        base = self._stage(stage.base.index)
        return self._misses_below(base, len(base.steps))

    def _stage(self, index: int) -> PlannedStage:
        return next(stage for stage in self._plan.stages if stage.index == index)

    def _end(self, stage: PlannedStage) -> int:
        """Return behind which of its steps nothing is looked for: what is copied there is not read for it."""
        return max(
            (place + 1 for place, step in enumerate(stage.steps) if self.policy.includes(step)), default=0
        )

    def _look_ahead(self) -> None:
        """Look for all steps whose keys can be known, until nothing new comes to light."""
        while wanted := {key for stage in self._plan.stages for key in self._unknown(stage)}:
            self._look_for(wanted)

    def _look_for(self, keys: set[str]) -> None:
        for key, found in self.prober.probe(sorted(keys)).items():
            self._entries[key] = None
            if found:
                entry = found.entry
                self._entries[key] = Hit(entry.name, found.layer, entry.created, entry.seconds, entry.outline)
                if entry.layer and entry.outline:
                    self.outlines.learn(entry.layer, entry.outline)

    def _unknown(self, stage: PlannedStage) -> Iterator[str]:
        """Follow a stage as far as is known; yields the keys that are to be looked for."""
        below = self._names_of_base(stage)
        for place, step in enumerate(stage.steps[: self._ends[stage.index]]):
            if below is None:
                return
            if not step.action:
                continue
            where = (stage.index, place)
            if where not in self._hits and where not in self._performed:
                yield from self._settle(step, where, below)
            name = self._name(where)
            below = None if name is None else [*below, name] if name else below

    def _is_looked_at(self, step: Step) -> bool:
        return self.policy.includes(step) or not looks_elsewhere(step)

    def _settle(self, step: Step, where: Place, below: Sequence[str]) -> Iterator[str]:
        """Find out what is known of a step; yields the keys that are to be looked for."""
        sight = self._sights.get(where)
        if sight is None and self._is_looked_at(step):
            sight = self._look_at(step, where, below)
        if sight is None:
            return
        for key in sight.keys:
            if key.name in self._entries:
                if hit := self._entries[key.name]:
                    self._hits[where] = hit
                    return
            elif self.policy.includes(step):
                yield key.name

    def _look_at(self, step: Step, where: Place, below: Sequence[str]) -> _Sight | None:
        try:
            taken = self.takings.without_looking(step, self._name_of_source)
        except (BuilderError, OSError) as error:
            # It is the step's own to say, when it is its turn.
            logger.debug("cache: a step has no key: %s", error)
            return None
        if taken is None:
            return None
        key = step_key(step, below, taken, self.making)
        is_told = not (isinstance(step.action, RunAction) or looks_elsewhere(step))
        sight = self._sights[where] = _Sight((key,), name_of_copy(step, taken) if is_told else None)
        return sight

    def _look_into_sources(self, step: Step, where: Place) -> None:
        """Name what a step takes of stages and images by its content, and look for that."""
        stage = self._stage(where[0])
        below = self._names_below(stage, where[1])
        if below is None or where in self._looked_at:
            return
        self._looked_at.add(where)
        try:
            taken = self.takings.by_content(step)
            # What was fetched for that may be something else by now.
            before = self.takings.without_looking(step, self._name_of_source)
        except (BuilderError, OSError) as error:
            logger.debug("cache: a step has no key: %s", error)
            return
        keys = [step_key(step, below, names, self.making) for names in (before, taken) if names is not None]
        key = keys[-1]
        name = None if isinstance(step.action, RunAction) else name_of_copy(step, taken)
        sight = self._sights[where] = _Sight(tuple(keys), name)
        if self.policy.includes(step) and key.name not in self._entries:
            self._look_for({key.name})
        hit = self._entries.get(key.name)
        earlier = [each.name for each in keys[:-1]]
        if hit and earlier:
            # The next build need not look into the sources.
            self._entries.update(dict.fromkeys(earlier, hit))
            if self.write and self.policy.includes(step):
                self.write(self._left(stage, step, earlier, hit, sight))

    def _name(self, where: Place) -> str | None:
        """Return what a step is to those after it, None where that is not known yet."""
        if hit := self._hits.get(where):
            return hit.name
        sight = self._sights.get(where)
        if sight and sight.name is not None:
            return sight.name
        if performed := self._performed.get(where):
            try:
                return performed.result()
            except _UnknownError:
                return None
        return None

    def _names_of_base(self, stage: PlannedStage) -> list[str] | None:
        match stage.base:
            case PulledImage() as image:
                return [*map(str, image.image.config.diff_ids)]
            case StageSource(index):
                base = self._stage(index)
                return self._names_below(base, len(base.steps))
        return []

    def _names_below(self, stage: PlannedStage, place: int) -> list[str] | None:
        """Name what the root holds before a stage's step, None where that is not known yet."""
        names = self._names_of_base(stage)
        for number, step in enumerate(stage.steps[:place]):
            if names is not None and step.action:
                name = self._name((stage.index, number))
                names = None if name is None else [*names, name] if name else names
        return names

    def _name_of_source(self, source: Source) -> str | None:
        match source:
            case StageSource(index):
                stage = self._stage(index)
                names = self._names_below(stage, len(stage.steps))
                return None if names is None else name_of("stage", names)
            case ImageSource(found=found):
                return name_of("image", [*map(str, found.image.config.diff_ids)])
        return None


class _UnknownError(Exception):
    """What a step left has no name."""


def _digest(layer: LayerSource) -> Digest:
    return layer.layer.descriptor.digest
