"""`warm --image REFERENCE`, as kaniko's warmer: puts base images into a folder that builds read."""

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TextIO

from yadokari_builder.build.options import read_build_args, read_platforms
from yadokari_builder.build.registries import open_registries
from yadokari_builder.cache.base import BaseFolder
from yadokari_builder.command import report
from yadokari_builder.command.failures import as_problem, exit_code
from yadokari_builder.errors import BuilderError
from yadokari_builder.oci.platform import Platform
from yadokari_builder.oci.reference import Reference
from yadokari_builder.plan.images import images_of
from yadokari_builder.registry.pull import Puller
from yadokari_builder.sources.context import Context
from yadokari_builder.sources.dockerfile import read_dockerfile
from yadokari_contract import variables
from yadokari_contract.arguments import parse_warm, without_effect
from yadokari_contract.spec import WarmSpec
from yadokari_contract.verbs import WARM

logger = logging.getLogger(__name__)


def run(arguments: Sequence[str], environment: Mapping[str, str], log: TextIO) -> int:
    """Fetch images that are not in the folder yet; returns the exit code, that of the first that failed.

    One that fails does not keep the others from being fetched.
    """

    def warm() -> None:
        spec = parse_warm(arguments, environment)
        report.configure(
            log, spec.verbosity, spec.log_format, timestamp=spec.log_timestamp, environment=environment
        )
        for remark in (*without_effect(spec, WARM.flags), *variables.without_effect(environment)):
            logger.info("%s", remark)
        failures.extend(_warm(spec, environment))

    failures: list[BuilderError] = []
    report.configure(log, "info", "text")
    code = exit_code(warm)
    return failures[0].reason.exit_code if failures else code


def _warm(spec: WarmSpec, environment: Mapping[str, str]) -> Iterator[BuilderError]:
    """Fetch all images and yield what was wrong with some."""
    registries = open_registries(spec, environment)
    puller = Puller(registries.pulling, registries.mirrors)
    folder = BaseFolder(spec.cache_dir)
    for reference, platform in dict.fromkeys(_images(spec, environment)):
        try:
            image = puller.verbatim(reference, platform)
            folder.keep(image, reference, platform, int(time.time()), again=spec.again)
            logger.info("%s for %s is in %s", reference.familiar, platform, folder.path)
        except Exception as error:
            problem = as_problem(error)
            logger.error("%s is not in %s: %s", reference.familiar, folder.path, problem)
            yield problem


def _images(spec: WarmSpec, environment: Mapping[str, str]) -> Iterator[tuple[Reference, Platform]]:
    platforms = read_platforms(spec)
    for name in spec.images:
        yield Reference.parse(name), platforms.target
    if spec.dockerfile:
        cwd = Path.cwd()
        text = read_dockerfile(spec.dockerfile, Context(cwd), cwd=cwd)
        yield from images_of(text, read_build_args(spec, environment), platforms)
