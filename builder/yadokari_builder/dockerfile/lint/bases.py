"""Rules about FROM."""

from collections.abc import Collection, Mapping

from yadokari_builder.dockerfile.lint import rules
from yadokari_builder.dockerfile.lint.linter import Linter
from yadokari_builder.dockerfile.location import LanguageError
from yadokari_builder.dockerfile.parser import Dockerfile, Stage
from yadokari_builder.dockerfile.quoting import quote
from yadokari_builder.dockerfile.words import Expansion, process
from yadokari_builder.errors import UsageError
from yadokari_builder.oci.platform import Platform
from yadokari_builder.oci.reference import Reference
from yadokari_contract.suggestion import suggest

_TARGET = "TARGETPLATFORM"


def check_default_bases(linter: Linter, dockerfile: Dockerfile, default_env: Mapping[str, str]) -> None:
    """Warn of bases that are no images' names where nobody gives build arguments.

    `default_env` is what the ARGs before the first FROM are then.
    """
    for stage in dockerfile.stages:
        try:
            image = process(stage.base.image, default_env, dockerfile.escape).text
        except LanguageError:
            return  # the build fails with this very error
        try:
            Reference.parse(image)
        except UsageError:
            message = f"Default value for ARG {stage.base.image} results in empty or invalid base image name"
            linter.warn(rules.INVALID_DEFAULT_ARG_IN_FROM, message, stage.location)


def check_arguments(linter: Linter, stage: Stage, used: Expansion, declared: Collection[str]) -> None:
    """Warn of variables of a FROM that no ARG before the first FROM declares."""
    for name in sorted(used.unmatched.difference(declared)):
        meant = suggest(name, sorted(declared))
        message = f"FROM argument '{name}' is not declared" + (f" (did you mean {meant}?)" if meant else "")
        _warn(linter, rules.UNDEFINED_ARG_IN_FROM, message, stage)


def check_platform(linter: Linter, stage: Stage, platform: Expansion, meta_env: Mapping[str, str]) -> None:
    """Warn of a platform that is the build's own anyway, and of one that no variable is in."""
    text = platform.text
    if platform.matched == {_TARGET} and not platform.unmatched and text == meta_env[_TARGET]:
        message = (
            f"Setting platform to predefined {stage.base.platform} in FROM is redundant "
            "as this is the default behavior"
        )
        _warn(linter, rules.REDUNDANT_TARGET_PLATFORM, message, stage)
    if platform.matched or platform.unmatched:
        return
    os, _, rest = text.partition("/")
    # A stage that is named for its platform means it.
    if not any(part in (stage.name or "") for part in (os, rest.partition("/")[0]) if part):
        message = f"FROM --platform flag should not use constant value {quote(text)}"
        _warn(linter, rules.FROM_PLATFORM_FLAG_CONST_DISALLOWED, message, stage)


def check_base_platform(linter: Linter, stage: Stage, expected: Platform, actual: Platform) -> None:
    """Warn of a base image that is for another platform than the one that was wanted."""
    if (expected.os, expected.architecture) != (actual.os, actual.architecture):
        message = (
            f"Base image {stage.base.image} was pulled with platform {quote(str(actual.normalized()))}, "
            f"expected {quote(str(expected.normalized()))} for current build"
        )
        linter.warn(rules.INVALID_BASE_IMAGE_PLATFORM, message, stage.location)


def _warn(linter: Linter, rule: rules.Rule, message: str, stage: Stage) -> None:
    linter.warn(rule, message, stage.location, stage.base.origin.comments)
