"""The verb that needs no name: errors become an exit code, a line in the log and a result."""

import logging
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from yadokari_builder.build.lodging import IN_A_POD, require_container
from yadokari_builder.build.options import own_platform, resolve_paths
from yadokari_builder.build.performing.guard import guard
from yadokari_builder.build.root.tenancy import read_hint
from yadokari_builder.build.session import Session
from yadokari_builder.command import report
from yadokari_builder.command.failures import as_problem, write_result
from yadokari_builder.command.own_files import is_writable
from yadokari_builder.errors import BuilderError, CancelledError, RunError
from yadokari_builder.plan.lodge import taken_for
from yadokari_builder.plan.telling import dryrun
from yadokari_builder.run.cancellation import Cancellation
from yadokari_contract import variables
from yadokari_contract.arguments import ArgumentError, parse_arguments, without_effect
from yadokari_contract.reasons import SUCCESS, Reason
from yadokari_contract.results.build import BuildResult, Failure, format_result
from yadokari_contract.runtime import LOADED

if TYPE_CHECKING:
    from yadokari_builder.command.tracing import Tracing

logger = logging.getLogger(__name__)


def run(
    arguments: Sequence[str], environment: Mapping[str, str], root: Path, out: TextIO, log: TextIO
) -> int:
    """Build what the arguments ask for in `root`, return the exit code; no exception leaves this.

    The log goes to `log`; `out` gets what `--dryrun` asks for.
    """
    report.configure(log, "info", "text")
    try:
        environment = _own(arguments, environment)
        spec = resolve_paths(parse_arguments(arguments, environment), cwd := Path.cwd())
    except ArgumentError as error:
        logger.error("%s", error)
        return Reason.INVALID_ARGUMENTS.exit_code
    report.configure(
        log, spec.verbosity, spec.log_format, timestamp=spec.log_timestamp, environment=environment
    )
    if not (spec.force or spec.dry_run) and is_writable(root):
        logger.info("steps can write the executor's own files: mount them read-only (docs/executor.md)")
    for remark in (*without_effect(spec), *variables.without_effect(environment)):
        logger.info("%s", remark)
    session = Session(spec, environment, root, cwd, guard)
    tracing = None if spec.dry_run else _tracing(session)
    # Without a word: what a thread that does not end holds may be the log.
    cancellation = Cancellation(abandon=lambda: os._exit(Reason.CANCELLED.exit_code))
    try:
        with cancellation:
            result, code = _build(session, out)
    except KeyboardInterrupt:
        cancellation.end()
        cancelled = CancelledError("the build was cancelled")
        logger.error("%s", cancelled)
        result, code = _failed(session, cancelled), cancelled.reason.exit_code
    write_result(spec.result_file, format_result(result))
    if tracing:
        tracing.finish(result)
    return code


def _own(arguments: Sequence[str], environment: Mapping[str, str]) -> Mapping[str, str]:
    """Leave out of the environment, for libraries too, what a base says whose container this is."""
    spec = parse_arguments(arguments, environment)
    if not spec.lodging:
        return environment
    for name in set(os.environ) - set(spec.lodging_env):
        # What is loaded at the start has been by now: read_hint refuses it.
        if name not in LOADED:
            del os.environ[name]
    kept = {*spec.lodging_env, *LOADED, IN_A_POD}
    return {name: value for name, value in environment.items() if name in kept}


def _tracing(session: Session) -> "Tracing | None":
    """Begin a trace, if one is wanted: only then anything of it is loaded, and before the first step."""
    if not any(session.environment.get(name) for name in variables.TRACED):
        return None
    from yadokari_builder.command.tracing import Tracing

    return Tracing.begin(session)


def _build(session: Session, out: TextIO) -> tuple[BuildResult, int]:
    try:
        if session.spec.dry_run:
            return _dry_run(session, out)
        if not session.spec.force:
            require_container(
                session.root, sys.executable, session.environment, Path("/proc/self/mountinfo").read_text()
            )
        return session.run(), SUCCESS
    except Exception as error:
        problem = as_problem(error)
        logger.error("%s", problem)
        return _failed(session, problem), problem.reason.exit_code


def _dry_run(session: Session, out: TextIO) -> tuple[BuildResult, int]:
    draft = session.dry_run()
    container = read_hint(session.spec.lodging, session.environment)
    if container and draft.plan:
        container = taken_for(container, draft.plan, own_platform())
    write = dryrun.as_json if session.spec.log_format == "json" else dryrun.as_text
    out.write(write(draft, container))
    if draft.error:
        return _failed(session, draft.error), draft.error.reason.exit_code
    return BuildResult(), SUCCESS


def _failed(session: Session, error: BuilderError) -> BuildResult:
    failure = Failure(
        error.reason,
        str(error),
        error.line,
        error.log_tail if isinstance(error, RunError) else "",
        session.progress.stage,
    )
    return BuildResult(
        context=session.progress.context,
        bases=session.progress.bases,
        lodging=session.progress.lodging,
        phases=tuple(session.phases),
        steps=session.progress.done,
        total_steps=session.progress.total,
        cached=session.progress.cached,
        performed=session.progress.performed,
        missed=session.progress.missed,
        misses=tuple(session.progress.misses),
        saved=round(session.progress.saved, 1),
        failure=failure,
    )
