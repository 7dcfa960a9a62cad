import json
from typing import Any

import pytest

from builder.plan import planning
from yadokari_builder.errors import ContextError, DockerfileError, ImageNotFoundError
from yadokari_builder.oci.config import ContainerConfig
from yadokari_builder.oci.digest import Digest
from yadokari_builder.oci.reference import Reference
from yadokari_builder.plan.draft import Draft
from yadokari_builder.plan.telling.dryrun import as_json, as_text
from yadokari_builder.registry.pull import PulledImage

DEBIAN = ContainerConfig(env=("LANG=C",), on_build=("ARG FROM_BASE",))


def drafted(text: str, **options: Any) -> Draft:
    return planning.drafted(text, find_image=planning.images({"debian:latest": DEBIAN}), **options)


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
    first, image, *rest, lodging, warning = as_text(draft).splitlines()
    assert first == "stage base (line 1)"
    assert image.startswith("    1  FROM debian AS Base -> debian:latest sha256:")
    assert rest == [
        "    2  ARG FROM_BASE",
        "    3  RUN <<EOF",
        "stage 2 (line 6, the target)",
        "    4  FROM base -> stage 0",
        "    5  ENV A=1",
    ]
    assert lodging.startswith("lodging: a container of docker.io/library/debian@sha256:")
    assert warning == "warning: StageNameCasing: Stage name 'Base' should be lowercase (line 1)"


def test_the_report_says_which_stage_is_built_in_its_bases_own_container_and_why() -> None:
    draft = drafted("FROM debian AS tools\nRUN a\nFROM scratch AS last\nCOPY --from=tools /a /\n")
    base = draft.plan and draft.plan.stages[0].base
    assert isinstance(base, PulledImage)
    container = Reference(base.repository, None, base.image.manifest_digest)
    why = "0.0 MB need not be downloaded and unpacked; beside it are built last"
    said = f"lodging: stage tools is built in its base's own container: {why}"
    assert said in as_text(draft, container).splitlines()
    told = json.loads(as_json(draft, container))["lodging"]
    assert (told["stage"], told["image"], told["reason"]) == ("tools", str(container), "")
    other = Reference(base.repository, None, Digest.of(b"other"))
    why = f"no stage starts from {other.digest}: FROM debian AS tools is {container.digest}"
    said = f"lodging: {why}; a container of {container} would have it"
    assert said in as_text(draft, other).splitlines()


def test_the_report_for_machines_holds_stages_warnings_and_no_error() -> None:
    report = json.loads(as_json(drafted("FROM scratch AS A\nCOPY x /\nCMD y\n", args={"B": "1"})))
    (stage,) = report["stages"]
    assert (stage["name"], stage["target"], stage["base"]) == ("a", True, None)
    assert stage["steps"] == [
        {
            "line": 2,
            "instruction": "COPY x /",
            "changes_files": True,
            "action": {"copy": [{"files": "/x"}], "source": "the context", "to": "/"},
        },
        {"line": 3, "instruction": "CMD y", "changes_files": False, "action": None},
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
    with pytest.raises(ContextError, match=f"^.dockerignore: {why}"):
        drafted("FROM scratch\n", ignore=ignore)


def test_the_report_for_people_says_what_is_copied_where_and_what_is_mounted() -> None:
    draft = drafted(
        "FROM debian AS a\nFROM scratch\nWORKDIR /w\nCOPY --from=a x* y/\n"
        "ADD https://u:secret@h/p.git#v1 https://u:secret@h/f?token=secret /\nCOPY <<f g\n1\nf\n"
        "RUN --mount=type=secret,id=s --mount=target=in x\n"
    )
    understood = [line.strip() for line in as_text(draft).splitlines() if line.startswith(" " * 9)]
    assert understood == [
        "files=/x* of stage 0 -> /w/y/",
        "git=https://h/p.git ref=v1 -> /",
        "url=https://h/f -> /",
        "heredoc=f -> /w/g",
        "mount type=secret target=/run/secrets/s id=s owner=0:0 mode=0400",
        "mount type=bind target=/w/in source=the context path=/",
    ]


@pytest.mark.parametrize(
    ("line", "action"),
    [
        (
            "COPY --parents --chown=a:b --chmod=u+x --exclude=!x --exclude=*.o a/./b* c",
            {
                "copy": [{"paths": "b*", "below": "/a"}],
                "source": "the context",
                "to": "/c",
                "owner": "a:b",
                "mode": "u+x",
                "exclude": ["!x", "*.o"],
            },
        ),
        (
            "COPY --link --from=scratch a /",
            {"copy": [{"files": "/a"}], "source": "nothing", "to": "/", "link": True},
        ),
        ("ADD a.tar /", {"copy": [{"files": "/a.tar", "unpack": True}], "source": "the context", "to": "/"}),
        (
            f"ADD --checksum=sha256:{'0' * 64} https://h/f /",
            {
                "copy": [{"url": "https://h/f", "checksum": f"sha256:{'0' * 64}"}],
                "source": "the context",
                "to": "/",
            },
        ),
        (
            "ADD --keep-git-dir https://h/p.git#v1:sub /",
            {
                "copy": [
                    {"git": "https://h/p.git", "ref": "v1", "subdirectory": "sub", "keep_git_dir": True}
                ],
                "source": "the context",
                "to": "/",
            },
        ),
        (
            'RUN --network=none --mount=type=cache,target=/c,uid=7 --mount=type=ssh,required ["x", "y"]',
            {
                "run": ["x", "y"],
                "working_dir": "/",
                "network": "none",
                "mounts": [
                    {
                        "type": "cache",
                        "target": "/c",
                        "id": "/c",
                        "sharing": "shared",
                        "owner": "7:0",
                        "mode": "0755",
                    },
                    {
                        "type": "ssh",
                        "target": "/run/buildkit/ssh_agent.0",
                        "id": "default",
                        "required": True,
                        "owner": "0:0",
                        "mode": "0600",
                    },
                ],
            },
        ),
        (
            "RUN --mount=type=tmpfs,target=/t,size=1k <<EOF\n#!/x\nEOF",
            {
                "run": ["/bin/sh", "-c", "/dev/pipes/EOF"],
                "working_dir": "/",
                "network": "default",
                "mounts": [{"type": "tmpfs", "target": "/t", "size": 1024}],
                "script": "/dev/pipes/EOF",
            },
        ),
        ("WORKDIR /w", {"make_directory": "/w"}),
        ("CMD x", None),
    ],
)
def test_the_report_for_machines_says_what_was_understood(line: str, action: dict[str, Any] | None) -> None:
    report = json.loads(as_json(drafted(f"FROM scratch\n{line}\n")))
    assert report["error"] is None
    assert report["stages"][0]["steps"][0]["action"] == action


def test_files_of_an_image_are_told_with_its_digest() -> None:
    report = json.loads(as_json(drafted("FROM scratch\nCOPY --from=debian a /\n")))
    assert report["stages"][0]["steps"][0]["action"]["source"].startswith("debian:latest sha256:")


def test_warnings_stand_before_what_is_wrong_with_a_base() -> None:
    draft = drafted("FROM debian as A\nFROM a/UPPER\n")
    assert draft.error is not None
    assert draft.error.message.startswith('failed to parse stage name "a/UPPER"')
    assert [warning.rule.name for warning in draft.warnings][:2] == ["StageNameCasing", "FromAsCasing"]


def test_a_default_that_a_build_argument_mends_is_no_error() -> None:
    text = "ARG A\nARG B=${A:?}\nFROM debian\n"
    assert drafted(text, args={"A": "1"}).error is None
    failed = drafted(text).error
    assert failed is not None
    assert failed.line == 2


def test_wrong_options_of_the_checks_are_an_error() -> None:
    error = drafted("# check=wrong\nFROM debian\n").error
    assert error is not None
    assert "failed to parse check options" in error.message
