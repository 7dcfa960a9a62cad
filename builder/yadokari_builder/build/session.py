"""A build from its arguments to the pushed image: everything opened, planned, built and handed over."""

import logging
import os
import platform as machine
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import urllib3

from yadokari_builder.build.actions import Workbench, files_of
from yadokari_builder.build.lodging import KANIKO, Lodging, open_lodging
from yadokari_builder.build.options import read_epoch, read_packing, timestamp
from yadokari_builder.build.outcome import assemble
from yadokari_builder.build.packing import Packing
from yadokari_builder.build.progress import Progress, counted, human_size
from yadokari_builder.build.registries import open_registries
from yadokari_builder.build.roots import Roots
from yadokari_builder.build.stages import Build
from yadokari_builder.dockerfile.text import DockerfileText
from yadokari_builder.errors import UsageError
from yadokari_builder.layers.pack import PackedLayer
from yadokari_builder.oci.image import Image
from yadokari_builder.oci.platform import Platform
from yadokari_builder.oci.reference import Reference
from yadokari_builder.outputs.docker_archive import write_docker_archive
from yadokari_builder.outputs.files import naming, write_digest
from yadokari_builder.outputs.oci_layout import write_oci_layout
from yadokari_builder.plan.draft import Draft, make_draft, read_ignored
from yadokari_builder.plan.plan import Plan
from yadokari_builder.registry.pull import PulledImage, Puller
from yadokari_builder.registry.push import Pusher
from yadokari_builder.registry.source import FileLayer, LayerSource
from yadokari_builder.rootfs.boundary import Boundary
from yadokari_builder.rootfs.mounts import own_mounts
from yadokari_builder.run import reaper
from yadokari_builder.run.caches import CacheStore
from yadokari_builder.run.protection import (
    GIT_MODULES,
    LATE_MODULES,
    make_undumpable,
    preload_modules,
)
from yadokari_builder.run.requests import Provisions
from yadokari_builder.run.secrets import load_secrets, parse_secret
from yadokari_builder.run.ssh import parse_agents
from yadokari_builder.sources.dockerfile import read_dockerfile
from yadokari_builder.sources.open import open_context
from yadokari_contract.arguments import BuildSpec
from yadokari_contract.result import BuildResult, Phase

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Session:
    """One build in one root.

    `environment` is the executor's own: credentials and values of build arguments are taken from it, and
    nothing of it reaches a RUN step by itself. `progress` and `phases` tell how far it has come.
    """

    spec: BuildSpec
    environment: Mapping[str, str]
    root: Path
    cwd: Path
    clock: Callable[[], float] = time.monotonic
    phases: list[Phase] = field(default_factory=list)
    progress: Progress = field(default_factory=lambda: Progress(0))
    _layers: dict[str, LayerSource] = field(default_factory=dict)

    def run(self) -> BuildResult:
        """Build, write the outputs and push; raises `BuilderError`."""
        destinations = self._destinations()
        registries = open_registries(self.spec, self.environment)
        puller = Puller(registries.pulling, registries.mirrors)
        lodging = open_lodging(self.root)
        packing = read_packing(self.spec, None, self._folder(lodging, "layers"))
        boundary = lodging.boundary(own_mounts())
        with self._phase("plan"):
            context = open_context(
                self.spec.context,
                cwd=self.cwd,
                root=self.root,
                shelter=lodging.free_shelter(),
                excluded=boundary.excluded | {KANIKO},
            )
            if context.moved:
                logger.info("the build context would be deleted: it is now in %s", context.root)
            text = read_dockerfile(self.spec.dockerfile, context, cwd=self.cwd)
            draft = self._draft(text, puller)
            for note in draft.notes():
                logger.warning("%s", note)
            plan = draft.approved()
        packing = replace(packing, timestamp=read_epoch(self.spec, self.environment, plan.epoch))
        roots = Roots(
            lodging,
            boundary,
            self._folder(lodging, "staging"),
            context.root,
            read_ignored(text),
        )
        bench = self._bench(lodging, boundary, roots)
        if not destinations:
            image = self._build(plan, roots, bench, packing, None)
            self._write_outputs(image, ())
        else:
            pusher = Pusher(registries.pushing, destinations)
            image = self._build_and_push(plan, roots, bench, packing, destinations, pusher)
        if self.spec.digest_file:
            with naming("--digest-file", self.spec.digest_file):
                write_digest(self.spec.digest_file, image.manifest_digest)
        return self._result(image, destinations)

    def _build_and_push(
        self,
        plan: Plan,
        roots: Roots,
        bench: Workbench,
        packing: Packing,
        destinations: tuple[Reference, ...],
        pusher: Pusher,
    ) -> Image:
        with pusher:
            pusher.check()
            image = self._build(plan, roots, bench, packing, pusher)
            self._write_outputs(image, destinations)
            with self._phase("push"):
                pusher.finish(image)
        return image

    def _destinations(self) -> tuple[Reference, ...]:
        """Read the destinations, none where nothing is to be pushed."""
        destinations = tuple(map(Reference.parse, self.spec.destinations))
        if self.spec.no_push:
            return ()
        if not destinations:
            raise UsageError("no --destination says where to push the image to: name one, or give --no-push")
        return destinations

    def dry_run(self) -> Draft:
        """Plan and judge without touching the root or pulling a layer; raises `BuilderError`."""
        everything = frozenset({"/"})
        shelter = self.root  # nothing is moved where everything is kept
        context = open_context(
            self.spec.context, cwd=self.cwd, root=self.root, shelter=shelter, excluded=everything
        )
        text = read_dockerfile(self.spec.dockerfile, context, cwd=self.cwd)
        registries = open_registries(self.spec, self.environment)
        return self._draft(text, Puller(registries.pulling, registries.mirrors))

    def _draft(self, text: DockerfileText, puller: Puller) -> Draft:
        platform = Platform("linux", machine.machine()).normalized()
        args = {name: self._build_arg(name, value) for name, value in self.spec.build_args.items()}
        present = {name: value for name, value in args.items() if value is not None}
        return make_draft(text, present, platform, self.spec.target, puller.resolve)

    def _build_arg(self, name: str, value: str | None) -> str | None:
        """Return a build argument's value; one without a value is the environment's, as for docker build."""
        return self.environment.get(name) if value is None else value

    def _bench(self, lodging: Lodging, boundary: Boundary, roots: Roots) -> Workbench:
        return Workbench(
            boundary=boundary,
            staging=roots.staging,
            shelter=self._folder(lodging, "shelter"),
            source=roots.source,
            provisions=self._provisions(roots, lodging),
            output=lambda data: self.progress.output(data),
            http=urllib3.PoolManager(),
        )

    def _folder(self, lodging: Lodging, name: str) -> Path:
        folder = Path(lodging.host(lodging.work(name)))
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _provisions(self, roots: Roots, lodging: Lodging) -> Provisions:
        caches = self.spec.cache_mounts_dir or lodging.host(lodging.work("caches"))
        return Provisions(
            fill=lambda source, path: files_of(roots.source(source), path),
            origin=roots.origin,
            caches=CacheStore(caches),
            secrets=load_secrets(
                [parse_secret(text, self.environment) for text in self.spec.secrets], self.environment
            ),
            agents=parse_agents(self.spec.ssh, self.environment),
        )

    def _build(
        self, plan: Plan, roots: Roots, bench: Workbench, packing: Packing, pusher: Pusher | None
    ) -> Image:
        def now() -> str:
            return timestamp(packing.timestamp)

        def made(source: LayerSource) -> None:
            self._layers[str(source.layer.descriptor.digest)] = source
            if pusher:
                pusher.add_layer(source)

        def packed(layer: PackedLayer) -> None:
            made(FileLayer(layer.layer, str(layer.path)))

        lowest = plan.chain()[0].base
        for layer in lowest.layers if isinstance(lowest, PulledImage) else ():
            made(layer)
        self.progress = Progress(plan.total_steps)
        # From here on the root is the image's: nothing may be imported from it, nothing of ours read by it.
        os.chdir(self.root)
        reaper.adopt_orphans()
        needs_git = any(step.needs_git for stage in plan.stages for step in stage.steps)
        preload_modules(modules=(*LATE_MODULES, *GIT_MODULES) if needs_git else LATE_MODULES)
        make_undumpable()
        with self._phase("build"), roots.lodging.without_link():
            single = self.spec.single_snapshot
            packing = replace(packing, watch=pusher.begin_layer if pusher else None)
            # What counts as changed in all of a stage is found by comparing, which needs the content.
            plan = plan.with_content() if single else plan
            build = Build(plan, roots, bench, packing, single, self.progress, packed, now)
            finished = build.run()
        return assemble(plan, finished, self.spec.labels, now())

    def _write_outputs(self, image: Image, destinations: tuple[Reference, ...]) -> None:
        if not (self.spec.tar_path or self.spec.oci_layout_path):
            return
        layers = [self._layers[str(layer.digest)] for layer in image.manifest.layers]
        with self._phase("write"):
            if self.spec.oci_layout_path:
                with naming("--oci-layout-path", self.spec.oci_layout_path):
                    write_oci_layout(self.spec.oci_layout_path, image, layers, destinations)
            if self.spec.tar_path:
                with naming("--tar-path", self.spec.tar_path):
                    write_docker_archive(self.spec.tar_path, image, layers, destinations)

    def _result(self, image: Image, destinations: tuple[Reference, ...]) -> BuildResult:
        size = sum(layer.size for layer in image.manifest.layers)
        logger.info(
            "built %s: %s, %s",
            image.manifest_digest,
            counted(len(image.manifest.layers), "layer"),
            human_size(size),
        )
        return BuildResult(
            digest=str(image.manifest_digest),
            size=size,
            images=tuple(destination.familiar for destination in destinations),
            phases=tuple(self.phases),
            steps=self.progress.number,
            total_steps=self.progress.total,
        )

    @contextmanager
    def _phase(self, name: str) -> Iterator[None]:
        started = self.clock()
        try:
            yield
        finally:
            self.phases.append(Phase(name, round(self.clock() - started, 2)))


def resolve_paths(spec: BuildSpec, cwd: Path) -> BuildSpec:
    """Return a spec whose outputs and caches can be found whatever becomes of the root meanwhile.

    Relative paths are meant from where the executor was started, which the build deletes, and links on the
    way may be the image's own later.
    """
    names = ("tar_path", "oci_layout_path", "digest_file", "result_file", "cache_mounts_dir")
    given = {name: getattr(spec, name) for name in names if getattr(spec, name)}
    resolved: dict[str, Any] = {name: _resolved(cwd / path) for name, path in given.items()}
    return replace(spec, **resolved)


def _resolved(path: Path) -> str:
    """Resolve links, but for one that leads to something without a name, as /dev/stdout to a pipe."""
    real = os.path.realpath(path)
    return str(path) if path.exists() and not os.path.exists(real) else real
