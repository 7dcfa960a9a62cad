"""Which rules count, and the warnings so far.

    options := option { ";" option }
    option  := ( "skip" | "experimental" ) "=" ( "all" | rule { "," rule } ) | "error" "=" boolean

They come from the directive `# check=`, or in its place from the build argument BUILDKIT_DOCKERFILE_CHECK; a
comment `# check=` right above an instruction adds to them for that instruction.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from yadokari_builder.dockerfile.directives import find_check, parse_directive
from yadokari_builder.dockerfile.lint.rules import LintWarning, Rule
from yadokari_builder.dockerfile.literals import parse_bool
from yadokari_builder.dockerfile.location import LanguageError, Location
from yadokari_builder.dockerfile.quoting import quote
from yadokari_builder.dockerfile.whitespace import SPACE
from yadokari_builder.errors import DockerfileError

CHECK_ARGUMENT = "BUILDKIT_DOCKERFILE_CHECK"
_ALL = "all"


@dataclass(frozen=True, slots=True)
class Checks:
    """Which rules count; `warnings_are_errors` fails the build."""

    skipped: frozenset[str] = frozenset()
    experimental: frozenset[str] = frozenset()
    warnings_are_errors: bool = False

    @classmethod
    def parse(cls, text: str) -> "Checks":
        """Read options; raises LanguageError."""
        values = {"skip": "", "experimental": "", "error": "false"}
        for option in text.strip(SPACE).split(";") if text.strip(SPACE) else ():
            name, equals, value = option.partition("=")
            if not equals or name.strip(SPACE) not in values:
                raise LanguageError(f"invalid check option {quote(name if equals else option)}", option)
            values[name.strip(SPACE)] = value.strip(SPACE)
        return cls(_names(values["skip"]), _names(values["experimental"]), parse_bool(values["error"]))

    def merged(self, comments: tuple[str, ...]) -> "Checks":
        """Return these options with those of the first `check` comment above an instruction."""
        found = (parse_directive(comment) for comment in comments)
        check = next((directive for directive in found if directive and directive.name == "check"), None)
        try:
            added = Checks.parse(check.value.partition(" ")[0]) if check else Checks()
        except LanguageError:
            return self
        return Checks(
            self.skipped | added.skipped, self.experimental | added.experimental, self.warnings_are_errors
        )

    def allow(self, rule: Rule) -> bool:
        """Tell whether a rule counts."""
        if rule.is_experimental:
            return not self.experimental.isdisjoint((_ALL, rule.name))
        return self.skipped.isdisjoint((_ALL, rule.name))


def _names(text: str) -> frozenset[str]:
    return frozenset(name.strip(SPACE) for name in text.split(","))


def checks_for(text: str, build_args: Mapping[str, str]) -> Checks:
    """Return the options for a Dockerfile; raises DockerfileError."""
    options = build_args.get(CHECK_ARGUMENT)
    try:
        return Checks.parse(find_check(text) if options is None else options)
    except LanguageError as error:
        raise DockerfileError(f"failed to parse check options: {error.message}") from None


class Linter:
    """Collects warnings of the rules that count."""

    def __init__(self, checks: Checks) -> None:
        self.checks = checks
        self.warnings: list[LintWarning] = []

    def warn(self, rule: Rule, message: str, location: Location, comments: tuple[str, ...] = ()) -> None:
        """Note that a rule was broken; `comments` are those above the instruction that broke it."""
        if self.checks.merged(comments).allow(rule):
            self.warnings.append(LintWarning(rule, message, location))

    def raise_if_asked(self) -> None:
        """Raise DockerfileError if there are warnings and the options make errors of them."""
        if self.checks.warnings_are_errors and self.warnings:
            names = dict.fromkeys(warning.rule.name for warning in self.warnings)
            location = self.warnings[0].location
            raise DockerfileError(
                f"lint violation found for rules: {', '.join(names)}", file=location.file, line=location.start
            )
