"""`check -- ARGUMENTS`: what a command line of kaniko's would make otherwise here, without building."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TextIO

from yadokari_builder.build.opened import draft
from yadokari_builder.build.options import needs_oci
from yadokari_builder.command import report
from yadokari_builder.command.failures import exit_code
from yadokari_builder.plan.kaniko import differences
from yadokari_builder.plan.plan import Plan
from yadokari_contract import variables
from yadokari_contract.arguments import parse_arguments, without_effect
from yadokari_contract.spec import BuildSpec


def run(
    arguments: Sequence[str], environment: Mapping[str, str], root: Path, out: TextIO, log: TextIO
) -> int:
    """Tell what would differ from kaniko, a line each; return the exit code that a build would begin with.

    Bases are looked up, but nothing is pulled, built or written.
    """

    def check() -> None:
        given = arguments[1:] if arguments[:1] == ["--"] else arguments
        spec = parse_arguments(given, environment)
        plan = draft(spec, environment, root, Path.cwd()).approved()
        found = list(_differences(spec, environment, plan))
        out.write("".join(f"{line}\n" for line in found or ["nothing differs"]))

    report.configure(log, "info", "text")
    return exit_code(check)


def _differences(spec: BuildSpec, environment: Mapping[str, str], plan: Plan) -> Iterator[str]:
    yield from without_effect(spec)
    yield from variables.without_effect(environment)
    for name, value in spec.build_args.items():
        if value is None and name not in environment:
            yield f"--build-arg {name}: there is no such variable, so the ARG keeps its default"
    yield from differences(plan, spec, needs_oci(spec))
