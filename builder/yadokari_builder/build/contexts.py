"""A build's context: where it is found, and where it is while the root is built in."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import mkdtemp

from yadokari_builder.build.lodging import KANIKO, Lodging
from yadokari_builder.build.options import own_platform
from yadokari_builder.build.registries import Registries
from yadokari_builder.errors import UsageError
from yadokari_builder.registry.pull import Puller
from yadokari_builder.rootfs.boundary import Boundary
from yadokari_builder.rootfs.tree import discard
from yadokari_builder.sources.context import Context, Place, Surroundings
from yadokari_builder.sources.open import open_context
from yadokari_contract.proxies import Proxies
from yadokari_contract.spec import BuildSpec

logger = logging.getLogger(__name__)


def kept_context(
    spec: BuildSpec,
    environment: Mapping[str, str],
    registries: Registries,
    boundary: Boundary,
    lodging: Lodging,
    cwd: Path,
) -> Context:
    """Open a context that outlives the cleaning of the root; raises `BuilderError`."""
    place = Place(
        cwd,
        Boundary(lodging.root, boundary.excluded | {KANIKO}),
        lodging.free_refuge(),
        lodging.folder("fetched"),
    )
    context = _open(spec, environment, registries, place)
    if context.moved:
        logger.info("the build context would be deleted: it is now in %s", context.root)
    if context.resolved:
        logger.info("the build context is %s", context.resolved)
    return context


@contextmanager
def readable_context(
    spec: BuildSpec, environment: Mapping[str, str], registries: Registries, root: Path, cwd: Path
) -> Iterator[Context]:
    """Open a context for reading alone: nothing is moved, and what is fetched goes again."""
    scratch = mkdtemp()
    # Nothing is moved where everything is kept.
    place = Place(cwd, Boundary(root, frozenset({"/"})), root, Path(scratch))
    try:
        yield _open(spec, environment, registries, place)
    finally:
        discard(scratch)


def _open(spec: BuildSpec, environment: Mapping[str, str], registries: Registries, place: Place) -> Context:
    puller = Puller(registries.pulling, registries.mirrors)
    around = Surroundings(
        place=place,
        environment=environment,
        http=registries.network.pools(),
        repositories=registries.for_git(spec.git),
        ssh=registries.for_ssh(spec, environment, place.boundary.root),
        nearby=replace(registries.network, proxies=Proxies()).pools(),
        artifact=lambda reference: puller.artifact(reference, own_platform()),
        git=spec.git,
        unpack_limit=spec.image_unpack_limit,
    )
    return open_context(_location(spec), spec.context_sub_path, around)


def _location(spec: BuildSpec) -> str:
    """Return where the context is; a bucket without a scheme is Google's, as kaniko has it."""
    if not spec.bucket:
        return spec.context
    if spec.context != BuildSpec().context:
        raise UsageError("--bucket and --context name two contexts: give one of them")
    return spec.bucket if "://" in spec.bucket else f"gs://{spec.bucket}"
