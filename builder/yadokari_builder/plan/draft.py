"""A Dockerfile planned and judged: what would be built, what to warn of, and what is wrong with it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from yadokari_builder.dockerfile.arg_values import unused
from yadokari_builder.dockerfile.ignore import IgnorePatterns
from yadokari_builder.dockerfile.instructions import Instruction
from yadokari_builder.dockerfile.lint.judge import Judge
from yadokari_builder.dockerfile.lint.linter import Linter, checks_for
from yadokari_builder.dockerfile.lint.rules import LintWarning
from yadokari_builder.dockerfile.location import LanguageError
from yadokari_builder.dockerfile.parser import Dockerfile, decode, parse
from yadokari_builder.dockerfile.text import DockerfileText
from yadokari_builder.errors import ContextError, DockerfileError
from yadokari_builder.plan.plan import Plan
from yadokari_builder.plan.planner import make_plan
from yadokari_builder.plan.scope import Platforms, default_args, open_scope
from yadokari_builder.registry.pull import FindImage


@dataclass(frozen=True, slots=True)
class Draft:
    """What came of a Dockerfile; `plan` is None where an error left none.

    `error` may stand beside a plan: `# check=error=true` makes one of warnings. `unused_args` are build
    arguments that have no effect.
    """

    plan: Plan | None
    warnings: tuple[LintWarning, ...] = ()
    unused_args: tuple[str, ...] = ()
    error: DockerfileError | None = None

    def notes(self) -> Iterator[str]:
        """Yield what to warn of, a line each."""
        yield from map(str, self.warnings)
        if self.unused_args:
            yield f"One or more build-args [{' '.join(self.unused_args)}] were not consumed"

    def approved(self) -> Plan:
        """Return the plan; raises the DockerfileError that stands against it."""
        if self.error or self.plan is None:
            raise self.error or DockerfileError("there is nothing to build")
        return self.plan


def make_draft(
    text: DockerfileText,
    build_args: Mapping[str, str],
    platforms: Platforms,
    targets: Sequence[str],
    find_image: FindImage,
) -> Draft:
    """Plan and judge a Dockerfile; an error of its own is in the draft, others of `find_image` are raised.

    Raises `ContextError` for patterns of the ignore file that are none.
    """
    ignored = read_ignored(text)
    content = decode(text.content)
    try:
        linter = Linter(checks_for(content, build_args))
    except DockerfileError as error:
        return Draft(None, error=error)
    judge = Judge(linter, ignored)
    target = targets[0] if targets else ""
    dockerfile, plan = None, None
    try:
        dockerfile = parse(content, file=text.name, reading=judge.reading)
        judge.look_at(dockerfile, _default_args(dockerfile, platforms, target))
        scope = open_scope(dockerfile, build_args, platforms, target)
        plan = make_plan(dockerfile, scope, targets, find_image, judge)
        linter.raise_if_asked()
        wrong = None
    except DockerfileError as error:
        wrong = error
    unused_args = unused(build_args, _instructions(dockerfile, plan)) if dockerfile else ()
    return Draft(plan, tuple(linter.warnings), unused_args, wrong)


def read_ignored(text: DockerfileText) -> IgnorePatterns:
    """Read the ignore file's patterns; raises `ContextError`."""
    try:
        return IgnorePatterns.parse(text.ignore)
    except LanguageError as error:
        raise ContextError(f"{text.ignore_name}: {error.message}") from None


def _default_args(dockerfile: Dockerfile, platforms: Platforms, target: str) -> Mapping[str, str] | None:
    try:
        return default_args(dockerfile, platforms, target)
    except DockerfileError:
        return None  # a build argument may mend it, and if none does the build fails with this very error


def _instructions(dockerfile: Dockerfile, plan: Plan | None) -> Iterator[Instruction]:
    """Yield all instructions of a Dockerfile, and those that base images add to them."""
    yield from dockerfile.meta_args
    for stage in dockerfile.stages:
        yield from stage.instructions
    for planned in plan.stages if plan else ():
        yield from (step.instruction for step in planned.steps)
