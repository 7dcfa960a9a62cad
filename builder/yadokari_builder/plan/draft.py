"""A Dockerfile planned and judged: what would be built, what to warn of, and what is wrong with it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from yadokari_builder.dockerfile.arg_values import unused
from yadokari_builder.dockerfile.ignore import IgnorePatterns
from yadokari_builder.dockerfile.instructions import Instruction
from yadokari_builder.dockerfile.lint.report import Inputs, lint
from yadokari_builder.dockerfile.lint.rules import LintWarning
from yadokari_builder.dockerfile.location import LanguageError
from yadokari_builder.dockerfile.parser import Dockerfile, decode, parse
from yadokari_builder.dockerfile.text import DockerfileText
from yadokari_builder.errors import ContextError, DockerfileError
from yadokari_builder.oci.config import ImageConfig
from yadokari_builder.oci.image import Image
from yadokari_builder.oci.platform import Platform
from yadokari_builder.oci.reference import Reference
from yadokari_builder.plan.plan import Plan, make_plan
from yadokari_builder.plan.scope import Scope, open_scope

Images = dict[tuple[Reference, Platform], ImageConfig]


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
    platform: Platform,
    target: str,
    base_image: Callable[[Reference, Platform], Image],
) -> Draft:
    """Plan and judge a Dockerfile; an error of its own is in the draft, others of `base_image` are raised."""
    images: Images = {}

    def noted(reference: Reference, platform: Platform) -> Image:
        image = base_image(reference, platform)
        images[(reference, platform)] = image.config
        return image

    try:
        dockerfile = parse(text.content, file=text.name)
        scope = open_scope(dockerfile, build_args, platform, target)
    except DockerfileError as error:
        return Draft(None, error=error)
    plan, wrong = None, None
    try:
        plan = make_plan(dockerfile, scope, target, noted)
    except DockerfileError as error:
        wrong = error
    report = lint(decode(text.content), _inputs(text, scope, target, images), file=text.name)
    declared = _instructions(dockerfile, plan)
    return Draft(plan, report.warnings, unused(build_args, declared), wrong or report.error)


def read_ignored(text: DockerfileText) -> IgnorePatterns:
    """Read the ignore file's patterns; raises `ContextError`."""
    try:
        return IgnorePatterns.parse(text.ignore)
    except LanguageError as error:
        raise ContextError(f"{text.ignore_name}: {error.message}") from None


def _inputs(text: DockerfileText, scope: Scope, target: str, images: Images) -> Inputs:
    ignored = read_ignored(text)
    return Inputs(scope.build_args, scope.predefined, ignored, target, images=images)


def _instructions(dockerfile: Dockerfile, plan: Plan | None) -> Iterator[Instruction]:
    """Yield all instructions of a Dockerfile, and those that base images add to them."""
    yield from dockerfile.meta_args
    for stage in dockerfile.stages:
        yield from stage.instructions
    for planned in plan.stages if plan else ():
        yield from (step.instruction for step in planned.steps)
