"""What a build has at hand before its first step: its plan, its root, its registries."""

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path

from yadokari_builder.build.bases import find_bases
from yadokari_builder.build.caching.opening import Caches, open_caches
from yadokari_builder.build.contexts import kept_context, readable_context
from yadokari_builder.build.layering.blobs import Blobs
from yadokari_builder.build.layering.packing import Packing
from yadokari_builder.build.lodging import Lodging, open_lodging
from yadokari_builder.build.options import (
    own_platform,
    places,
    read_build_args,
    read_epoch,
    read_packing,
    read_platforms,
    with_source_date,
)
from yadokari_builder.build.performing.actions import Workbench, files_of
from yadokari_builder.build.progress import Progress
from yadokari_builder.build.registries import Registries, open_registries
from yadokari_builder.build.root.roots import Roots
from yadokari_builder.build.root.tenancy import Container, open_tenancy, read_hint, refuse
from yadokari_builder.cache.mounts.caches import CacheMounts
from yadokari_builder.cache.options import kept_size, namer, open_place, outlives, read_repository
from yadokari_builder.dockerfile.located import located
from yadokari_builder.dockerfile.text import DockerfileText
from yadokari_builder.oci.platform import Platform
from yadokari_builder.oci.reference import Reference
from yadokari_builder.plan.draft import Draft, make_draft, read_ignored
from yadokari_builder.plan.lodge import Refusal, offer, taken_for
from yadokari_builder.plan.needs import with_all_files
from yadokari_builder.plan.plan import Plan
from yadokari_builder.plan.steps import ImageSource, RunAction
from yadokari_builder.registry.pull import FindImage, PulledImage
from yadokari_builder.rootfs.anchored import Anchor
from yadokari_builder.rootfs.boundary import Boundary
from yadokari_builder.rootfs.mounts import own_mounts
from yadokari_builder.run.devices import Devices
from yadokari_builder.run.levels import Level, Namespaces, Shared, may_be_apart
from yadokari_builder.run.mounts.caches import CacheStore
from yadokari_builder.run.mounts.requests import Provisions
from yadokari_builder.run.mounts.secrets import Secrets, load_secrets, parse_secret
from yadokari_builder.run.mounts.ssh import parse_agents
from yadokari_builder.run.spaces.ground import MOUNT_POINTS
from yadokari_builder.run.volumes import Volumes
from yadokari_builder.sources.context import Context
from yadokari_builder.sources.dockerfile import read_dockerfile
from yadokari_contract.results.build import BaseImage
from yadokari_contract.results.lodging import LodgingResult, NotLodged
from yadokari_contract.spec import BuildSpec

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Opened:
    """All that the stages of a build work with."""

    plan: Plan
    context: Context
    blobs: Blobs
    registries: Registries
    roots: Roots
    bench: Workbench
    packing: Packing
    caches: Caches | None


def draft(spec: BuildSpec, environment: Mapping[str, str], root: Path, cwd: Path) -> Draft:
    """Plan and judge a Dockerfile without touching the root or pulling a layer; raises `BuilderError`."""
    registries = open_registries(spec, environment)
    with readable_context(spec, environment, registries, root, cwd) as context:
        text = read_dockerfile(spec.dockerfile, context, cwd=cwd)
    spec = with_source_date(spec, context.time)
    return _draft(spec, environment, text, find_bases(spec, registries))


@contextmanager
def open_build(
    spec: BuildSpec, environment: Mapping[str, str], root: Path, cwd: Path, progress: Progress
) -> Iterator[Opened]:
    """Find everything that a build needs, and plan it; in the end lets go of it. Raises `BuilderError`."""
    registries = open_registries(spec, environment)
    with closing(open_lodging(root, is_base=bool(spec.lodging))) as lodging:
        yield _open(spec, environment, registries, lodging, cwd, progress)


def _open(
    spec: BuildSpec,
    environment: Mapping[str, str],
    registries: Registries,
    lodging: Lodging,
    cwd: Path,
    progress: Progress,
) -> Opened:
    root = lodging.root
    packing = read_packing(spec, None, lodging.hold("layers").path)
    mounts = own_mounts(root)
    hint = read_hint(spec.lodging, environment)
    is_apart = _may_be_apart(spec, lodging, hint)
    # In namespaces of their own steps have a folder for their root: of the container's nothing is replaced.
    boundary = Boundary(lodging.folder("root"), MOUNT_POINTS) if is_apart else lodging.boundary(mounts)
    replaced = Boundary(root, frozenset({"/"})) if is_apart else boundary
    caches = open_caches(spec, registries, replaced)
    context = kept_context(spec, environment, registries, replaced, lodging, cwd)
    progress.context = context.resolved
    spec = with_source_date(spec, context.time)
    text = read_dockerfile(spec.dockerfile, context, cwd=cwd)
    blobs = Blobs(lodging.hold("blobs").path)
    images = _Images(find_bases(spec, registries, replaced), blobs)
    plan = _planned(spec, _draft(spec, environment, text, images.find))
    packing = replace(packing, timestamp=read_epoch(spec, environment, plan.epoch))
    images.announce(plan)
    _tell(progress, plan)
    roots = Roots(
        lodging,
        boundary,
        lodging.hold("staging").path,
        lodging.held.setdefault("the build context", Anchor.open(context.root)).path,
        read_ignored(text),
        spec.image_unpack_limit,
        replaced,
        are_apart=is_apart,
    )
    if hint and is_apart:
        refuse(Refusal(NotLodged.ISOLATION, "steps have a root of their own"), progress.lodge)
    elif hint:
        hint = taken_for(hint, plan, own_platform())
        find = partial(images.find, platform=plan.target.state.image.platform)
        container = Container(hint, find, mounts, lodging.is_new, spec.materialize)
        if tenancy := open_tenancy(container, plan, boundary, progress.lodge):
            roots.tenancy, plan = tenancy, tenancy.lodger.plan
    level = Namespaces(boundary.root) if is_apart else _shared(spec, roots, mounts)
    bench = _bench(spec, environment, roots, level, registries, progress)
    _require_free(plan, level)
    packing = replace(packing, sought=bench.provisions.secrets.sought())
    return Opened(plan, context, blobs, registries, roots, bench, packing, caches)


def _planned(spec: BuildSpec, drafted: Draft) -> Plan:
    for note in drafted.notes():
        logger.warning("%s", note)
    # What counts as changed in all of a stage is found by comparing, which needs the content.
    plan = drafted.approved().with_content() if spec.single_snapshot else drafted.approved()
    return with_all_files(plan) if spec.materialize else plan


def _tell(progress: Progress, plan: Plan) -> None:
    """Note what the result says of a plan."""
    progress.bases = tuple(_bases(plan))
    progress.lodging = LodgingResult(image=str(offer(plan) or ""))
    progress.expect(plan.total_steps)


def _may_be_apart(spec: BuildSpec, lodging: Lodging, hint: Reference | None) -> bool:
    if hint and spec.isolation == "auto":
        # What is mounted in the container's root cannot be taken out of a step's sight.
        logger.info("isolation: shared: the base is the executor's own container")
        return False
    return may_be_apart(spec.isolation, lodging.folder("trial"))


@dataclass(slots=True)
class _Images:
    """Images as they are found in registries; what is fetched of them is fetched once."""

    find_base: FindImage
    blobs: Blobs

    def find(self, reference: Reference, platform: Platform) -> PulledImage:
        return self.blobs.shared(self.find_base(reference, platform))

    def announce(self, plan: Plan) -> None:
        """Say whose layers will be read how often."""
        bases = [stage.base for stage in plan.stages if plan.needs[stage.index]]
        copied = {
            source.reference: source.found
            for stage in plan.stages
            for source in stage.sources
            if isinstance(source, ImageSource)
        }
        for image in (*bases, *copied.values()):
            if isinstance(image, PulledImage):
                self.blobs.expect(image)


def _draft(
    spec: BuildSpec, environment: Mapping[str, str], text: DockerfileText, find_image: FindImage
) -> Draft:
    args = read_build_args(spec, environment)
    return make_draft(text, args, read_platforms(spec), spec.targets, find_image)


def _bases(plan: Plan) -> Iterator[BaseImage]:
    """Tell of images what their names stood for; one from a warmer's folder was asked for long ago."""
    for image in plan.images:
        if image.named:
            yield BaseImage(image.reference.familiar, str(image.named))


def _require_free(plan: Plan, level: Level) -> None:
    """Refuse a step that would work in a volume before anything is done."""
    for step in chain.from_iterable(stage.steps for stage in plan.stages):
        if isinstance(step.action, RunAction):
            with located(step.instruction.origin):
                level.require_free(step.action.working_dir)


def _shared(spec: BuildSpec, roots: Roots, mounts: Iterable[str]) -> Shared:
    lodging, boundary = roots.lodging, roots.boundary
    volumes = Volumes.among(mounts, boundary, (lodging.runtime, *lodging.kept), places(spec))
    return Shared(boundary, Devices.record(boundary), volumes, roots.strangers)


def _bench(
    spec: BuildSpec,
    environment: Mapping[str, str],
    roots: Roots,
    level: Level,
    registries: Registries,
    progress: Progress,
) -> Workbench:
    provisions = _provisions(spec, environment, roots, apart=isinstance(level, Namespaces))
    return Workbench(
        boundary=roots.boundary,
        staging=roots.staging,
        shelter=roots.lodging.hold("shelter").path,
        source=roots.source,
        whole=roots.lodging.whole,
        provisions=provisions,
        caches=_caches(spec, roots, registries, provisions.secrets),
        level=level,
        null=roots.lodging.null(),
        output=progress.output,
        unpack_limit=spec.image_unpack_limit,
        http=registries.network.pools(),
        ssh=registries.for_ssh(spec, environment, roots.lodging.root),
        authorities=registries.network.trust.authorities if spec.certificates_in_steps else "",
    )


def _provisions(spec: BuildSpec, environment: Mapping[str, str], roots: Roots, *, apart: bool) -> Provisions:
    secrets = [parse_secret(text, environment) for text in spec.secrets]
    return Provisions(
        fill=lambda source, path: files_of(roots.source(source), path),
        name_of=roots.name_of,
        caches=CacheStore(_folder_of_caches(spec, roots)),
        secrets=load_secrets(secrets, environment),
        agents=parse_agents(spec.ssh, environment),
        apart=apart,
    )


def _caches(spec: BuildSpec, roots: Roots, registries: Registries, secrets: Secrets) -> CacheMounts:
    if spec.cache_mounts_repo:
        registries.expect_push([read_repository(spec)])
    place = open_place(spec, registries.pushing, own_platform(), roots.replaced)
    folder = _folder_of_caches(spec, roots)
    return CacheMounts(place, folder, kept_size(spec), namer(spec, own_platform()), secrets.sought())


def _folder_of_caches(spec: BuildSpec, roots: Roots) -> str:
    return str(roots.lodging.hold("borrowed" if outlives(spec) else "caches").path)
