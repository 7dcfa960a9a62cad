"""`resolve REFERENCE|REPOSITORY...`: what images and git refs point at now, as JSON."""

import logging
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from yadokari_builder.build.options import own_platform
from yadokari_builder.build.registries import Registries, open_registries
from yadokari_builder.command import report
from yadokari_builder.command.failures import as_failure, exit_code, write_result
from yadokari_builder.oci.platform import Platform
from yadokari_builder.oci.reference import InvalidReferenceError, Reference
from yadokari_builder.registry.pull import Puller
from yadokari_contract.arguments import parse_resolve
from yadokari_contract.reasons import Reason
from yadokari_contract.references import GITHUB
from yadokari_contract.results.answers import Resolution, ResolveResult, format_resolve_result
from yadokari_contract.results.build import Failure
from yadokari_contract.spec import BuildSpec

logger = logging.getLogger(__name__)

_AT_ONCE = 8
_SCP = re.compile(r"[A-Za-z0-9_-]+@(?!sha[0-9]+:)[A-Za-z0-9.-]+:")
_PASSWORD = re.compile(r"://[^/?#]*:[^/?#]*@")


def run(
    arguments: Sequence[str], environment: Mapping[str, str], root: Path, out: TextIO, log: TextIO
) -> int:
    """Write what names point at to `out`; returns the exit code, that of the first name that failed."""
    failures: list[Failure] = []

    def resolve() -> None:
        names, spec = parse_resolve(arguments, environment)
        report.configure(
            log, spec.verbosity, spec.log_format, timestamp=spec.log_timestamp, environment=environment
        )
        try:
            result = _resolve(names, spec, environment, root)
        except Exception as error:
            result = ResolveResult(failure=as_failure(error))
            write_result(spec.result_file, format_resolve_result(result))
            raise
        out.write(f"{format_resolve_result(result, bounded=False)}\n")
        write_result(spec.result_file, format_resolve_result(result))
        failures.extend(item.failure for item in result.items if item.failure)

    report.configure(log, "info", "text")
    code = exit_code(resolve)
    codes = (reason.exit_code for reason in Reason if failures and reason == failures[0].reason)
    return next(codes, code)


def _resolve(
    names: Sequence[str], spec: BuildSpec, environment: Mapping[str, str], root: Path
) -> ResolveResult:
    registries = open_registries(spec, environment)
    platform = Platform.parse(spec.custom_platform, default=own_platform()) if spec.custom_platform else None
    resolver = _Resolver(spec, environment, root, registries, platform)
    with ThreadPoolExecutor(_AT_ONCE, "resolve") as pool:
        return ResolveResult(items=tuple(pool.map(resolver.resolution, names)))


@dataclass(frozen=True, slots=True)
class _Resolver:
    spec: BuildSpec
    environment: Mapping[str, str]
    root: Path
    registries: Registries
    platform: Platform | None

    def resolution(self, name: str) -> Resolution:
        """Resolve a name; what goes wrong stands in the place of what it points at."""
        shown = _shown(name)
        try:
            return Resolution(shown, self._resolved(name))
        except Exception as error:
            failure = as_failure(error)
            logger.error("%s: %s", shown, failure.message)
            return Resolution(shown, failure=failure)

    def _resolved(self, name: str) -> str:
        reference = _reference(name)
        if reference is None:
            return self._commit(name)
        registries = self.registries
        return str(Puller(registries.pulling, registries.mirrors).digest(reference, self.platform))

    def _commit(self, name: str) -> str:
        # Only those who ask for it pay for loading a git client.
        from yadokari_builder.sources.repository import find_commit

        spec, registries = self.spec, self.registries
        ssh = registries.for_ssh(spec, self.environment, self.root)
        return find_commit(name, self.environment, spec.git, registries.for_git(spec.git), ssh)


def _reference(name: str) -> Reference | None:
    """Read the name of an image; None for one that a context's repository has, as `--context` reads it."""
    if "://" in name or name.startswith(GITHUB):
        return None
    try:
        return Reference.parse(name)
    except InvalidReferenceError:
        # USER@HOST:PATH names no image: what is behind the @ would be a digest.
        if _SCP.match(name):
            return None
        raise


def _shown(name: str) -> str:
    """Return a name as it was given, but for a password in it."""
    return _PASSWORD.sub("://", name)
