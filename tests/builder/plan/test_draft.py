import json
from collections.abc import Mapping
from types import MappingProxyType

import pytest

from yadokari_builder.dockerfile.text import DockerfileText
from yadokari_builder.errors import ContextError, DockerfileError, ImageNotFoundError
from yadokari_builder.oci.config import ContainerConfig, ImageConfig
from yadokari_builder.oci.image import Image
from yadokari_builder.oci.media_types import OCI_MANIFEST
from yadokari_builder.oci.platform import Platform
from yadokari_builder.oci.reference import Reference
from yadokari_builder.plan.draft import Draft, make_draft
from yadokari_builder.plan.dryrun import as_json, as_text

AMD64 = Platform("linux", "amd64")


def base_image(reference: Reference, platform: Platform) -> Image:
    if reference.repository.name != "library/debian":
        raise ImageNotFoundError(f"{reference.familiar}: not found")
    config = ContainerConfig(env=("LANG=C",), on_build=("ARG FROM_BASE",))
    return Image.assemble(ImageConfig(platform=AMD64, config=config), (), OCI_MANIFEST)


def drafted(
    text: str, *, ignore: str = "", target: str = "", args: Mapping[str, str] = MappingProxyType({})
) -> Draft:
    return make_draft(
        DockerfileText(text.encode(), "Dockerfile", ignore, ""), args, AMD64, target, base_image
    )


def test_what_is_right_is_planned_and_not_warned_of() -> None:
    draft = drafted("FROM debian\nENV A=$LANG\n", args={"FROM_BASE": "1", "http_proxy": "x"})
    assert list(draft.notes()) == []
    assert draft.approved().target.state.config.env[-1] == "A=C"


def test_warnings_name_rule_and_line_and_are_no_error() -> None:
    draft = drafted("FROM debian AS Name\nCOPY secret /\n", ignore="secret")
    assert list(draft.notes()) == [
        "StageNameCasing: Stage name 'Name' should be lowercase (line 1)",
        'CopyIgnoredFile: Attempting to Copy file "secret" that is excluded by .dockerignore (line 2)',
    ]
    assert draft.approved()


def test_warnings_are_an_error_where_the_dockerfile_says_so() -> None:
    draft = drafted("# check=error=true\nFROM debian AS Name\n")
    with pytest.raises(DockerfileError, match="lint violation found for rules: StageNameCasing") as caught:
        draft.approved()
    assert caught.value.line == 2


def test_rules_that_are_skipped_say_nothing() -> None:
    assert list(drafted("# check=skip=StageNameCasing;error=true\nFROM debian AS Name\n").notes()) == []


def test_build_arguments_without_effect_are_warned_of() -> None:
    text = "ARG A\nFROM debian AS other\nARG B\nFROM debian\n"
    assert list(drafted(text, args={"A": "", "B": "", "D": "", "C": ""}).notes()) == [
        "One or more build-args [C D] were not consumed"
    ]


def test_an_error_comes_with_the_warnings_before_it() -> None:
    draft = drafted("FROM debian AS Name\nSTOPSIGNAL SIGNONE\n")
    assert draft.plan is None
    assert draft.error is not None
    assert draft.error.line == 2
    assert [warning.rule.name for warning in draft.warnings] == ["StageNameCasing"]


def test_a_base_that_is_not_there_is_no_mistake_of_the_dockerfile() -> None:
    with pytest.raises(ImageNotFoundError):
        drafted("FROM nowhere\n")


def test_the_report_for_people_lists_steps_as_they_are_counted_in_a_build() -> None:
    draft = drafted("FROM debian AS Base\nRUN <<EOF\na\nEOF\nFROM scratch AS no\nFROM base\nENV A=1\n")
    first, image, *rest = as_text(draft).splitlines()
    assert first == "stage base (line 1)"
    assert image.startswith("    1  FROM debian AS Base -> debian:latest sha256:")
    assert rest == [
        "    2  ARG FROM_BASE",
        "    3  RUN <<EOF",
        "stage 2 (line 6, the target)",
        "    4  FROM base -> stage 0",
        "    5  ENV A=1",
        "warning: StageNameCasing: Stage name 'Base' should be lowercase (line 1)",
    ]


def test_the_report_for_machines_holds_stages_warnings_and_no_error() -> None:
    report = json.loads(as_json(drafted("FROM scratch AS A\nCOPY x /\nCMD y\n", args={"B": "1"})))
    (stage,) = report["stages"]
    assert (stage["name"], stage["target"], stage["base"]) == ("a", True, None)
    assert stage["steps"] == [
        {"line": 2, "instruction": "COPY x /", "changes_files": True},
        {"line": 3, "instruction": "CMD y", "changes_files": False},
    ]
    assert [(one["rule"], one["line"]) for one in report["warnings"]] == [
        ("StageNameCasing", 1),
        ("JSONArgsRecommended", 3),
    ]
    assert report["unused_build_args"] == ["B"]
    assert report["error"] is None


def test_the_report_of_a_wrong_dockerfile_says_what_is_wrong_and_where() -> None:
    draft = drafted("FROM debian\nRUNN x\n")
    assert "error: Dockerfile:2: unknown instruction: RUNN" in as_text(draft)
    report = json.loads(as_json(draft))
    assert report["stages"] == []
    assert report["error"] == {"message": "unknown instruction: RUNN (did you mean RUN?)", "line": 2}


@pytest.mark.parametrize(
    ("ignore", "why"), [("[a-", r"syntax error in pattern: \[a-"), ("a\n!", "illegal excl")]
)
def test_a_wrong_pattern_of_the_ignore_file_is_the_contexts_fault(ignore: str, why: str) -> None:
    text = DockerfileText(b"FROM scratch\n", "Dockerfile", ignore, ".dockerignore")
    with pytest.raises(ContextError, match=f"^.dockerignore: {why}"):
        make_draft(text, {}, AMD64, "", base_image)
