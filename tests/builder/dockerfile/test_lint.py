import pytest

from builder.plan.planning import any_image, drafted, images
from yadokari_builder.dockerfile.lint import rules
from yadokari_builder.dockerfile.lint.linter import Checks, checks_for
from yadokari_builder.dockerfile.location import LanguageError
from yadokari_builder.errors import DockerfileError
from yadokari_builder.oci.config import ContainerConfig
from yadokari_builder.oci.platform import Platform
from yadokari_builder.oci.reference import Reference
from yadokari_builder.registry.pull import PulledImage


def broken(text: str, *, ignore: str = "", **build_args: str) -> list[tuple[str, int]]:
    judged = drafted(text, ignore=ignore, args=build_args)
    assert judged.error is None
    return [(warning.rule.name, warning.location.start) for warning in judged.warnings]


def test_each_word_that_uses_an_undefined_variable_is_warned_of() -> None:
    assert broken("FROM a\nENV A=$X B=$X$X") == [("UndefinedVar", 2)] * 2


def test_a_name_declared_before_in_the_same_arg_is_not_undefined() -> None:
    assert broken("FROM a\nARG A B=$A") == []


@pytest.mark.parametrize(
    ("text", "rule", "line"),
    [
        ("FROM a AS Name", "StageNameCasing", 1),
        ("FROM a as b", "FromAsCasing", 1),
        ("FROM a\nRUN b \\\n\n c", "NoEmptyContinuation", 4),
        ("FROM a\nRUN b \\\n\n <<E\nc\nE", "NoEmptyContinuation", 4),
        ("FROM a\nrun b", "ConsistentInstructionCasing", 2),
        ("FROM a AS b\nFROM a AS b", "DuplicateStageName", 2),
        ("FROM a AS context", "ReservedStageName", 1),
        ("FROM a\nCMD b", "JSONArgsRecommended", 2),
        ("FROM a\nENTRYPOINT b", "JSONArgsRecommended", 2),
        ("FROM a\nMAINTAINER b", "MaintainerDeprecated", 2),
        ("FROM a:1$b", "UndefinedArgInFrom", 1),
        ("FROM a\nWORKDIR b", "WorkdirRelativePath", 2),
        ("FROM a\nUSER $b", "UndefinedVar", 2),
        ("FROM a\nARG b=$c", "UndefinedVar", 2),
        ("FROM a\nRUN --mount=type=cache,target=/a$b c", "UndefinedVar", 2),
        ('FROM a\nCMD ["b"]\nCMD ["c"]', "MultipleInstructionsDisallowed", 2),
        ("FROM a\nENV b c", "LegacyKeyValueFormat", 2),
        ("FROM a\nLABEL b c", "LegacyKeyValueFormat", 2),
        ("FROM --platform=$TARGETPLATFORM a", "RedundantTargetPlatform", 1),
        ("FROM --platform=linux/arm64 a", "FromPlatformFlagConstDisallowed", 1),
        ("FROM a\nARG DB_PASSWORD", "SecretsUsedInArgOrEnv", 2),
        ("FROM a\nENV token=b", "SecretsUsedInArgOrEnv", 2),
        ("# check=experimental=all\n# x y\nARG b\nFROM a", "InvalidDefinitionDescription", 3),
        ("FROM a\nEXPOSE 80/TCP", "ExposeProtoCasing", 2),
        ("FROM a\nEXPOSE 80:80", "ExposeInvalidFormat", 2),
    ],
)
def test_each_rule_is_noticed(text: str, rule: str, line: int) -> None:
    assert broken(text) == [(rule, line)]


@pytest.mark.parametrize(
    "text",
    [
        "FROM a AS b\nFROM b\nWORKDIR /c\nWORKDIR d",
        "FROM a\nARG b\nUSER $b",
        "FROM a\nENV b=1\nUSER $b$PATH",
        "FROM a AS base\nARG b=1\nFROM base\nUSER $b",
        'FROM a\nSHELL ["b"]\nCMD c',
        'FROM a AS base\nCMD ["b"]\nFROM base\nCMD ["c"]',
        "FROM --platform=linux/arm64 a AS build-arm64",
        "FROM --platform=$BUILDPLATFORM a",
        "FROM a\nARG PUBLIC_KEY TOKEN_FILE",
        "# b c\nARG b\nFROM a",
        "FROM a\nEXPOSE $b",
        "FROM a AS unused\nUSER $b\nFROM a",
    ],
)
def test_what_is_right_is_left_alone(text: str) -> None:
    assert broken(text) == []


@pytest.mark.parametrize(
    ("ignore", "source", "expected"),
    [
        ("a\n", "a", True),
        ("a\n", "./a/b", True),
        ("a\n", "b", False),
        ("a\n!a/b\n", "a", False),
        ("*\n", ".", True),
        (".*\n", ".", False),
        ("a\n", "https://a/b", False),
    ],
)
def test_ignored_sources_are_noticed(ignore: str, source: str, expected: bool) -> None:
    text = f"FROM a\nADD {source} /b\nCOPY --from=x a /b"
    assert (broken(text, ignore=ignore) == [("CopyIgnoredFile", 2)]) is expected


def test_a_default_base_that_is_no_image_is_noticed_although_a_build_argument_mends_it() -> None:
    assert broken("ARG v\nFROM a:$v", v="1") == [("InvalidDefaultArgInFrom", 2)]


def test_a_base_for_another_platform_is_noticed() -> None:
    def of_arm(reference: Reference, _platform: Platform) -> PulledImage:
        return any_image(reference, Platform("linux", "arm64"))

    different = drafted("FROM a", find_image=of_arm)
    assert [str(warning) for warning in different.warnings] == [
        'InvalidBaseImagePlatform: Base image a was pulled with platform "linux/arm64", '
        'expected "linux/amd64" for current build (line 1)'
    ]
    assert drafted("FROM a").warnings == ()


def test_what_is_known_of_a_base_image_counts() -> None:
    config = ContainerConfig(env=("b=1",), shell=("/x",), on_build=("USER $other",))
    warnings = drafted("FROM a\nUSER $b\nCMD d", find_image=images({"a:latest": config})).warnings
    assert [(warning.message, warning.location.start) for warning in warnings] == [
        ("Usage of undefined variable '$other'", 1)
    ]


def test_suggestions_name_variables_that_exist() -> None:
    (warning,) = drafted("FROM a\nENV PATH=/x:$PAHT").warnings
    assert warning.message == "Usage of undefined variable '$PAHT' (did you mean $PATH?)"


@pytest.mark.parametrize(
    "check", ["skip=all", "skip=StageNameCasing,FromAsCasing", "skip=all;error=true", "skip=all // why"]
)
def test_the_check_directive_skips_rules(check: str) -> None:
    assert broken(f"# check={check}\nFROM a as B") == []


def test_a_comment_skips_rules_for_one_instruction() -> None:
    assert broken("FROM a\n# check=skip=UndefinedVar\nUSER $b\nUSER $c") == [("UndefinedVar", 4)]


def test_a_build_argument_stands_in_for_the_directive() -> None:
    text = "# check=skip=all\nFROM a as b"
    assert broken(text, BUILDKIT_DOCKERFILE_CHECK="skip=StageNameCasing") == [("FromAsCasing", 2)]


def test_warnings_become_an_error_if_asked_for() -> None:
    judged = drafted("# check=error=true\nFROM a as B\nUSER $c")
    assert judged.error is not None
    assert judged.error.message == (
        "lint violation found for rules: StageNameCasing, FromAsCasing, UndefinedVar"
    )
    assert judged.error.line == 2
    assert drafted("# check=error=true\nFROM a").error is None


def test_warnings_come_before_the_error_that_ends_the_judgement() -> None:
    judged = drafted("FROM a AS B\nNOTHING c")
    assert [warning.rule for warning in judged.warnings] == [rules.STAGE_NAME_CASING]
    assert judged.error is not None
    assert judged.error.message == "unknown instruction: NOTHING"


@pytest.mark.parametrize("options", ["skip", "ignore=all", "error=perhaps"])
def test_wrong_options_are_refused(options: str) -> None:
    with pytest.raises(LanguageError):
        Checks.parse(options)
    with pytest.raises(DockerfileError, match="failed to parse check options"):
        checks_for(f"# check={options}\nFROM a", {})


def test_rules_link_to_their_documentation() -> None:
    urls = [rule.url.rpartition("rule/")[2] for rule in (rules.JSON_ARGS_RECOMMENDED, rules.FROM_AS_CASING)]
    assert urls == ["json-args-recommended/", "from-as-casing/"]


def test_there_are_22_rules() -> None:
    assert sum(isinstance(value, rules.Rule) for value in vars(rules).values()) == 22
