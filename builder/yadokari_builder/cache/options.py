"""What a build's arguments and its plan say of caches of RUN steps."""

import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from yadokari_builder.cache.mounts.places import Place, Shelf, Volume
from yadokari_builder.cache.naming import cache_name
from yadokari_builder.errors import UsageError, described
from yadokari_builder.oci.platform import Platform
from yadokari_builder.oci.reference import InvalidReferenceError, Repository
from yadokari_builder.plan.plan import Plan
from yadokari_builder.plan.steps import CacheRequest, ImageSource, RunAction, Source
from yadokari_builder.registry.client import RegistryClient
from yadokari_builder.registry.http.retry import RetryPolicy
from yadokari_builder.rootfs.anchored import Anchor
from yadokari_builder.rootfs.boundary import Boundary
from yadokari_builder.rootfs.paths import normalise
from yadokari_builder.run.mounts.caches import CacheKey, CacheUse
from yadokari_builder.run.mounts.requests import cache_use
from yadokari_contract.references import split_registry
from yadokari_contract.spec import BuildSpec

logger = logging.getLogger(__name__)

# A cache is not worth long waiting.
_HASTY = RetryPolicy(attempts=2)
_MOST_KEPT = 2 << 30


def open_place(
    spec: BuildSpec, client: RegistryClient, platform: Platform, boundary: Boundary
) -> Place | None:
    """Open the place where caches outlive the container, None for none; raises `UsageError`.

    `boundary` is that of the root, `platform` the machine's.
    """
    if spec.cache_mounts_dir and spec.cache_mounts_repo:
        raise UsageError("--cache-mounts-dir and --cache-mounts-repo name two places: give one of them")
    if spec.cache_mounts_repo:
        repository = read_repository(spec)
        if repository.objection:
            logger.warning("caches of steps are not kept in %s: %s", repository, repository.objection)
            return None
        return Shelf(client.trying(_HASTY), repository, platform)
    if spec.cache_mounts_dir:
        return _volume(spec.cache_mounts_dir, boundary)
    if spec.cache_mounts_scope:
        raise UsageError(
            "--cache-mounts-scope needs a place: give --cache-mounts-dir or --cache-mounts-repo, too"
        )
    return None


def outlives(spec: BuildSpec) -> bool:
    """Tell whether caches are meant to outlive the container; otherwise they are for all builds in it."""
    return bool(spec.cache_mounts_dir or spec.cache_mounts_repo)


def kept_size(spec: BuildSpec) -> int:
    """Tell how many bytes of each cache are kept."""
    return spec.cache_mounts_limit or _MOST_KEPT


def namer(spec: BuildSpec, platform: Platform) -> Callable[[CacheKey], str]:
    """Return what names caches in their place."""
    return lambda key: cache_name(key, spec.cache_mounts_scope, platform)


def read_repository(spec: BuildSpec) -> Repository:
    """Read the name of the repository that keeps caches, which has no tag; raises `UsageError`."""
    try:
        return Repository(*split_registry(spec.cache_mounts_repo))
    except InvalidReferenceError as error:
        raise UsageError(f"--cache-mounts-repo: {error}") from error


def expected(plan: Plan, name_of: Callable[[Source, str], str]) -> Iterator[CacheUse]:
    """Yield the caches of a plan whose names do not wait for what a step makes."""
    actions = (step.action for stage in plan.stages for step in stage.steps)
    for action in actions:
        for request in action.mounts if isinstance(action, RunAction) else ():
            if isinstance(request, CacheRequest) and isinstance(request.source, ImageSource | None):
                yield cache_use(request, name_of)


def hold_volume(flag: str, path: str, boundary: Boundary) -> str:
    """Hold a folder of a volume that a flag names, which steps can then neither move nor replace.

    Returns the path by which it is found from then on. Raises OSError, and `UsageError` where it is in the
    root itself, whose boundary this is.
    """
    prefix = f"{boundary.prefix}/"
    if path.startswith(prefix) and not boundary.is_excluded(normalise(path.removeprefix(prefix))):
        raise UsageError(f"{flag} {path} is no volume: in the root itself a build deletes everything")
    os.makedirs(path, exist_ok=True)
    return str(Anchor.open(Path(path)).path)


def _volume(path: str, boundary: Boundary) -> Place | None:
    try:
        return Volume(hold_volume("--cache-mounts-dir", path, boundary))
    except OSError as error:
        logger.warning("caches of steps are not kept: --cache-mounts-dir: %s", described(error))
        return None
