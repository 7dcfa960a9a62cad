"""A build from its arguments to the pushed image: opened, built, delivered."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from threading import Thread

from yadokari_builder.build.caching.opening import making_of
from yadokari_builder.build.caching.outlines import CachedOutlines
from yadokari_builder.build.caching.steps import StepCache
from yadokari_builder.build.caching.taken import Takings
from yadokari_builder.build.caching.writing import Near, Writer
from yadokari_builder.build.delivering.deliver import Delivery
from yadokari_builder.build.delivering.destinations import names_of, read_destinations
from yadokari_builder.build.delivering.files import require_outputs, tell
from yadokari_builder.build.opened import Opened, draft, open_build
from yadokari_builder.build.options import read_platforms
from yadokari_builder.build.outcome import assemble
from yadokari_builder.build.performing.actions import commit_of, fetched
from yadokari_builder.build.performing.stages import Build
from yadokari_builder.build.progress import Phases, Progress
from yadokari_builder.build.registries import Registries, open_registries
from yadokari_builder.cache.steps.store import RegistryStore, Store
from yadokari_builder.oci.digest import Digest
from yadokari_builder.oci.image import Image
from yadokari_builder.oci.reference import Reference
from yadokari_builder.plan.draft import Draft
from yadokari_builder.plan.plan import Plan
from yadokari_builder.registry.pushed import find_pushed
from yadokari_builder.rootfs.mounts import own_mounts
from yadokari_contract.results.build import BuildResult
from yadokari_contract.spec import BuildSpec

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Session:
    """One build in one root.

    `environment` is the executor's own: credentials and values of build arguments are taken from it, and
    nothing of it reaches a RUN step by itself. `guard` is called before the first step (see
    `performing.guard`). `progress` and `phases` tell how far it has come.
    """

    spec: BuildSpec
    environment: Mapping[str, str]
    root: Path
    cwd: Path
    guard: Callable[[Path, Plan, Registries], None]
    clock: Callable[[], float] = time.monotonic
    progress: Progress = field(init=False)
    phases: Phases = field(init=False)

    def __post_init__(self) -> None:
        self.progress = Progress(self.clock)
        self.phases = Phases(self.clock)

    def dry_run(self) -> Draft:
        """Plan and judge without touching the root or pulling a layer; raises `BuilderError`."""
        return draft(self.spec, self.environment, self.root, self.cwd)

    def run(self) -> BuildResult:
        """Build, write the outputs and push; raises `BuilderError`."""
        destinations = read_destinations(self.spec)
        require_outputs(self.spec)
        if self.spec.unless_pushed and (found := self._there(destinations)):
            return found
        with ExitStack() as held:
            with self.phases.timed("plan"):
                opening = open_build(self.spec, self.environment, self.root, self.cwd, self.progress)
                opened = held.enter_context(opening)
            return self._built(opened, destinations)

    def _there(self, destinations: tuple[Reference, ...]) -> BuildResult | None:
        """Find what is to be built where it is to go."""
        registries = open_registries(self.spec, self.environment)
        platform = read_platforms(self.spec).target
        with self.phases.timed("look"):
            found = find_pushed(registries.pushing, destinations, platform, self.spec.inputs_hash)
        if found is None:
            return None
        digest = found.image.manifest_digest
        logger.info("%s is there already: nothing is built", digest)
        names = names_of(destinations, digest, self.spec)
        tell(self.spec, names, digest, registries.network)
        return replace(self._result(found.image, names), already_pushed=True)

    def _built(self, opened: Opened, destinations: tuple[Reference, ...]) -> BuildResult:
        with (
            opened.bench.caches,
            Delivery(self.spec, destinations, opened) as delivery,
            self._cache(opened, delivery) as cache,
        ):
            # Before a step can say who gives tokens for them, both have been asked.
            with _looking(cache, opened.plan):
                delivery.begin()
            self.guard(self.root, opened.plan, opened.registries)
            lodging = opened.roots.lodging
            with (
                self.phases.timed("build"),
                lodging.without_link(),
                lodging.with_way_to_mounts(own_mounts(self.root)),
            ):
                packing = replace(opened.packing, watch=delivery.watch)
                finished = Build(
                    opened.plan,
                    opened.roots,
                    opened.bench,
                    packing,
                    self.spec.single_snapshot,
                    self.progress,
                    delivery.layer_made,
                    cache,
                    self.spec.materialize,
                ).run()
            opened.bench.caches.keep()
            self.progress.unpacked(opened.roots.unpacking)
            image = assemble(opened.plan, finished, self.spec, packing.now())
            delivery.finish(image, self.phases)
        pushed = () if self.spec.no_push else names_of(destinations, image.manifest_digest, self.spec)
        return self._result(image, pushed)

    def _result(self, image: Image, pushed: tuple[Reference, ...]) -> BuildResult:
        return BuildResult(
            digest=str(image.manifest_digest),
            size=sum(layer.descriptor.size for layer in image.layers),
            images=tuple(destination.familiar for destination in pushed),
            context=self.progress.context,
            bases=self.progress.bases,
            lodging=self.progress.lodging,
            phases=tuple(self.phases),
            steps=self.progress.done,
            total_steps=self.progress.total,
            cached=self.progress.cached,
            performed=self.progress.performed,
            missed=self.progress.missed,
            misses=tuple(self.progress.misses),
            saved=round(self.progress.saved, 1),
        )

    @contextmanager
    def _cache(self, opened: Opened, delivery: Delivery) -> Iterator[StepCache | None]:
        """Have what finds steps that were done before; in the end all is written that was done now."""
        caches, bench = opened.caches, opened.bench
        if caches is None:
            yield None
            return
        with ExitStack() as writing:
            write = None
            if caches.written:
                writer = Writer(caches.written, partial(_near, caches.written, delivery), caches.stop)
                write = writing.enter_context(writer).add
            platform, prober = opened.plan.target.state.image.platform, caches.prober()
            known = writing.enter_context(caches.known(prober, write, platform))
            commits = partial(commit_of, bench=bench)
            takings = Takings(bench.source, partial(fetched, bench=bench), commits, known)
            yield StepCache(
                making_of(opened.packing, platform),
                caches.policy,
                prober,
                writing.enter_context(takings),
                write,
                delivery.take,
                CachedOutlines(prober, write, platform),
            )
            with self.phases.timed("cache"):
                writing.close()


@contextmanager
def _looking(cache: StepCache | None, plan: Plan) -> Iterator[None]:
    """Look into the cache beside what is done; where that fails, nobody waits for it."""
    if cache is None:
        yield
        return
    looked: Future[None] = Future()

    def look() -> None:
        try:
            cache.begin(plan)
        except BaseException as error:
            looked.set_exception(error)
        else:
            looked.set_result(None)

    Thread(target=look, name="look", daemon=True).start()
    yield
    looked.result()


def _near(store: Store, delivery: Delivery, digest: Digest) -> Near | None:
    return delivery.pushed(digest, store.repository.registry) if isinstance(store, RegistryStore) else None
