"""A build's context: where it is found, and where it is while the root is built in."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

from yadokari_builder.build.lodging import KANIKO, Lodging
from yadokari_builder.build.options import own_platform
from yadokari_builder.build.registries import Registries
from yadokari_builder.registry.pull import Puller
from yadokari_builder.rootfs.boundary import Boundary
from yadokari_builder.rootfs.tree import discard
from yadokari_builder.sources.context import Context, FindArtifact, Surroundings
from yadokari_builder.sources.open import open_context
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
    around = Surroundings(
        cwd,
        Boundary(lodging.root, boundary.excluded | {KANIKO}),
        lodging.free_refuge(),
        lodging.folder("fetched"),
        environment,
        registries.network.pools(),
        _artifacts(registries),
        spec.git,
    )
    context = open_context(spec.context, spec.context_sub_path, around)
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
    everything = Boundary(root, frozenset({"/"}))
    try:
        around = Surroundings(
            cwd,
            everything,
            root,
            Path(scratch),
            environment,
            registries.network.pools(),
            _artifacts(registries),
            spec.git,
        )
        yield open_context(spec.context, spec.context_sub_path, around)
    finally:
        discard(scratch)


def _artifacts(registries: Registries) -> FindArtifact:
    puller = Puller(registries.pulling, registries.mirrors)
    return lambda reference: puller.artifact(reference, own_platform())
