"""Where images that a build starts from are found: in a folder that a warmer filled, then in registries."""

import logging
import os
from pathlib import Path

from yadokari_builder.build.registries import Registries
from yadokari_builder.cache.base import BaseFolder, CachedBases
from yadokari_builder.registry.pull import FindImage, Puller
from yadokari_builder.rootfs.boundary import Boundary
from yadokari_contract.spec import BuildSpec

logger = logging.getLogger(__name__)


def find_bases(spec: BuildSpec, registries: Registries, boundary: Boundary | None = None) -> FindImage:
    """Return what finds images for a build, which deletes all that is within its boundary.

    What steps could write, perhaps those of an earlier build, does not say what a tag means.
    """
    resolve = Puller(registries.pulling, registries.mirrors).resolve
    path = spec.cache_dir
    if not BaseFolder(path).is_filled():
        if path != BuildSpec().cache_dir:
            logger.warning("--cache-dir %s holds no images that a warmer put there: all are pulled", path)
        return resolve
    if boundary and _is_deleted(Path(path), boundary):
        logger.warning(
            "--cache-dir %s lies in the root that is built in, and goes when that is emptied:"
            " mount a volume there",
            path,
        )
        return resolve
    trusted = not os.access(path, os.W_OK)
    if not trusted:
        logger.info("%s is not mounted read-only: registries are asked what a tag means", path)
    return CachedBases(BaseFolder(path), resolve, trusted, spec.cache_ttl).find


def _is_deleted(path: Path, boundary: Boundary) -> bool:
    inside = Path(os.path.realpath(path))
    root = Path(os.path.realpath(boundary.root))
    return inside.is_relative_to(root) and not boundary.is_excluded(f"/{inside.relative_to(root)}")
