import logging
import time

import pytest

from builder.plan.planning import AMD64, BASE, any_image, drafted, image, images, planned
from yadokari_builder.errors import DockerfileError, ImageNotFoundError
from yadokari_builder.oci.config import ContainerConfig
from yadokari_builder.oci.platform import Platform
from yadokari_builder.oci.reference import Reference
from yadokari_builder.plan.needs import with_all_files
from yadokari_builder.plan.scope import Platforms
from yadokari_builder.plan.steps import (
    ContextSource,
    CopyAction,
    EmptySource,
    Files,
    ImageSource,
    RunAction,
    Script,
    StageSource,
    WorkdirAction,
)
from yadokari_builder.registry.pull import PulledImage


def config_of(text: str, **options: str) -> ContainerConfig:
    return planned(text, args=options).target.state.config


def test_stages_that_the_target_does_not_need_are_left_out_and_their_bases_not_asked_for() -> None:
    asked: list[tuple[str, Platform]] = []
    plan = planned(
        "FROM debian AS a\nFROM nowhere AS unused\nFROM debian AS b\nCOPY --from=a /x /x\n", asked=asked
    )
    assert [stage.stage.name for stage in plan.stages] == ["a", "b"]
    assert {name for name, _ in asked} == {"debian:latest"}


def test_the_target_is_the_stage_asked_for_in_any_case() -> None:
    plan = planned("FROM debian AS One\nRUN a\nFROM debian AS two\nRUN b\n", targets=("ONE",))
    assert plan.target.stage.name == "one"


def test_of_several_targets_the_first_is_the_image_wherever_it_stands() -> None:
    text = "FROM debian AS app\nRUN a\nFROM app AS check\nRUN b\nFROM debian AS other\nRUN c\n"
    plan = planned(text, targets=("app", "check"))
    assert [stage.index for stage in plan.stages] == [0, 1]
    assert (plan.target.index, plan.last.index) == (0, 1)
    assert [stage.index for stage in plan.chain()] == [0]
    assert plan.read_by[0] == (1,)


def test_the_platform_of_the_image_may_be_another_than_that_of_the_steps() -> None:
    asked: list[tuple[str, Platform]] = []
    text = (
        "FROM --platform=$BUILDPLATFORM debian AS build\nRUN a\n"
        "FROM debian\nARG TARGETARCH BUILDARCH\nRUN a\nCOPY --from=build /a /\n"
    )
    arm64 = Platform("linux", "arm64")
    plan = planned(text, platforms=Platforms(AMD64, arm64), asked=asked)
    assert asked == [("debian:latest", AMD64), ("debian:latest", arm64)]
    assert plan.target.state.environment["TARGETARCH"] == "arm64"
    assert plan.target.state.environment["BUILDARCH"] == "amd64"


def test_a_build_that_leaves_all_files_needs_those_of_each_stage_of_the_image() -> None:
    text = "FROM debian AS a\nENV A=b\nFROM a\nCMD x\n"
    plan = planned(text)
    assert set(plan.needs.values()) == {Files.NONE}
    whole = with_all_files(plan)
    assert set(whole.needs.values()) == {Files.CONTENT}
    assert whole.read_by == {0: (1,), 1: ()}


def test_a_target_that_does_not_exist_is_told_with_the_nearest_name() -> None:
    with pytest.raises(DockerfileError, match=r'target stage "biuld" could not be found.*build'):
        planned("FROM debian AS build\n", targets=("biuld",))


def test_a_stage_on_a_stage_goes_on_where_that_ended() -> None:
    plan = planned("ARG V=1\nFROM debian AS a\nARG X=2\nENV Y=3\nFROM a\nRUN $X\n")
    run = plan.target.steps[0].action
    assert isinstance(run, RunAction)
    variables = run.environment.variables()
    assert (variables["X"], variables["Y"], variables["LANG"]) == ("2", "3", "C")
    assert [stage.index for stage in plan.chain()] == [0, 1]
    assert plan.target.base == StageSource(0)


def test_files_come_from_the_context_stages_images_or_nowhere() -> None:
    plan = planned(
        "FROM debian AS a\nFROM debian\nCOPY x /\nCOPY --from=A x /\nCOPY --from=0 x /\n"
        "COPY --from=busybox x /\nCOPY --from=scratch x /\n",
        bases={"debian:latest": BASE, "busybox:latest": BASE},
    )
    sources = [step.action.source for step in plan.target.steps if isinstance(step.action, CopyAction)]
    reference = Reference.parse("busybox")
    busybox = ImageSource(reference, image(reference, AMD64, BASE))
    assert sources == [ContextSource(), StageSource(0), StageSource(0), busybox, EmptySource()]


def test_the_readers_of_a_stage_are_those_that_start_from_it_or_copy_from_it() -> None:
    plan = planned(
        "FROM debian AS a\nFROM a AS b\nFROM debian AS c\nRUN --mount=from=a,target=/a true\nFROM b\n"
        "COPY --from=c /x /x\n"
    )
    assert (plan.read_by[0], plan.read_by[1], plan.read_by[3]) == ((1, 2), (3,), ())
    assert [plan.last_read_by(stage) for stage in plan.stages] == [(), (), (0,), (1, 2)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("FROM debian AS a\nCOPY --from=a x /\n", "circular dependency detected on stage: a"),
        (
            "FROM debian AS a\nCOPY --from=b x /\nFROM debian AS b\nFROM a\n",
            'cannot copy from stage "b", it needs to be defined before current stage "a"',
        ),
        (
            "FROM debian AS a\nRUN --mount=from=b,target=/c d\nFROM debian AS b\nFROM a\n",
            'cannot mount from stage "b" to "/c", stage needs to be defined before current command',
        ),
        (
            "FROM debian AS a\nRUN --mount=type=tmpfs,from=b,target=/c d\nFROM debian AS b\nFROM a\n",
            'cannot mount from stage "b" to "/c", stage needs to be defined before current command',
        ),
        ("FROM debian AS a\nONBUILD COPY --from=b x /\nFROM a AS b\n", 'cannot copy from stage "b"'),
        ("FROM UPPER/Case AS unneeded\nFROM debian\n", 'failed to parse stage name "UPPER/Case"'),
        ("FROM debian AS unneeded\nCOPY --from=UPPER/Case x /\nFROM debian\n", "failed to parse stage name"),
        ("FROM debian\nRUN --mount=from=UPPER/Case,target=/x y\n", "failed to parse stage name"),
        ("FROM --platform=linux/what/is/this debian AS unneeded\nFROM debian\n", "failed to parse platform"),
        ('ARG SOURCE_DATE_EPOCH="a b"\nFROM debian\n', "invalid SOURCE_DATE_EPOCH: a b"),
        ("FROM debian\nCOPY --chmod=999 a b\n", "invalid chmod parameter: '999'"),
        ("FROM debian\nRUN <<a/b\n#!/bin/x\na/b\n", "cannot have a name with a slash"),
        ("FROM debian\nCOPY --from=7 x /\n", "invalid stage index 7"),
        ("FROM debian\nCOPY --from=$X x /\n", "variable expansion is not supported for --from"),
        ("FROM ${NOTHING}\n", "should not be blank"),
        ("FROM UPPER/Case\n", "failed to parse stage name"),
        ("FROM --platform=$NOTHING debian\n", "empty platform value"),
        ("FROM debian\nEXPOSE 99999\n", r"[Ii]nvalid.*99999"),
        ("FROM debian\nSTOPSIGNAL SIGNONE\n", "invalid signal"),
        (
            "FROM debian\nRUN --device=vendor.com/class=gpu x\n",
            'device "vendor.com/class=gpu" is not registered',
        ),
        ("FROM debian\nRUN --security=insecure x\n", "security.insecure is not allowed"),
    ],
)
def test_what_cannot_be_planned_is_blamed_on_its_line(text: str, message: str) -> None:
    with pytest.raises(DockerfileError, match=message) as caught:
        planned(text)
    assert caught.value.line > 0


def test_a_wrong_argument_is_shown_in_its_line_with_a_caret() -> None:
    with pytest.raises(DockerfileError) as caught:
        planned("FROM debian\n# why\nRUN --mount=type=cache x\n")
    assert str(caught.value) == (
        'Dockerfile:3: invalid mount target "/"\n  3 | RUN --mount=type=cache x\n          ^'
    )


def test_a_base_that_is_not_there_is_blamed_on_its_from() -> None:
    with pytest.raises(ImageNotFoundError) as caught:
        planned("# comment\nFROM nowhere\n")
    assert str(caught.value).startswith("Dockerfile:2: nowhere:latest: not found")


def test_an_image_that_is_not_there_is_blamed_on_the_copy_that_names_it() -> None:
    with pytest.raises(ImageNotFoundError) as caught:
        planned("FROM debian\nCOPY --from=nowhere a b\n")
    assert str(caught.value).startswith("Dockerfile:2: nowhere:latest: not found")


def test_a_stage_that_may_be_meant_is_told_before_a_registry_is_waited_for(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    told: list[str] = []

    def find_image(reference: Reference, platform: Platform) -> PulledImage:
        told.extend(caplog.messages)
        return any_image(reference, platform)

    drafted("FROM debian AS build\nFROM scratch\nCOPY --from=biuld a b\n", find_image=find_image)
    assert told == ["no stage is called biuld, so it is an image's name (did you mean build?)"]


@pytest.mark.parametrize("line", ["COPY --from=biuld a b", "RUN --mount=from=biuld,target=/a b"])
def test_a_name_that_is_no_image_s_is_told_with_the_stage_that_may_be_meant(line: str) -> None:
    with pytest.raises(ImageNotFoundError, match=r"not found \(did you mean the stage build\?\)"):
        planned(f"FROM debian AS build\nFROM debian\n{line}\n")
    with pytest.raises(ImageNotFoundError, match="did you mean the stage build"):
        planned("FROM debian AS build\nFROM biuld\n")
    with pytest.raises(ImageNotFoundError, match=r"\(did you mean debian\?\)"):
        planned("FROM debain\n")
    with pytest.raises(ImageNotFoundError, match=r"not found\n"):
        planned("FROM alpine\n")


def test_images_that_files_are_copied_from_are_found_once_and_for_the_build_s_platform() -> None:
    asked: list[tuple[str, Platform]] = []
    planned(
        "FROM debian AS unneeded\nCOPY --from=other x /\nFROM --platform=linux/arm64 debian\n"
        "COPY --from=tools x /\nRUN --mount=from=tools:latest,target=/x y\n",
        bases={"debian:latest": BASE, "tools:latest": BASE},
        asked=asked,
    )
    assert asked == [("debian:latest", Platform("linux", "arm64")), ("tools:latest", AMD64)]


def test_everything_is_found_before_any_instruction_is_evaluated() -> None:
    with pytest.raises(ImageNotFoundError):
        planned("FROM debian AS a\nEXPOSE wrong\nFROM debian\nCOPY --from=a x /\nCOPY --from=nowhere x /\n")


def test_the_platform_of_a_from_is_that_of_the_build_or_what_it_says() -> None:
    asked: list[tuple[str, Platform]] = []
    planned(
        "FROM debian AS a\nFROM --platform=$BUILDPLATFORM debian AS b\nFROM --platform=linux/arm64 debian\n"
        "COPY --from=a x /\nCOPY --from=b x /\n",
        asked=asked,
    )
    assert sorted(str(platform) for _, platform in asked) == ["linux/amd64", "linux/amd64", "linux/arm64"]


def test_a_base_without_a_path_gets_the_usual_one() -> None:
    plan = planned("FROM bare\n", bases={"bare:latest": ContainerConfig()})
    assert plan.target.state.config.env == (
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    )


def test_triggers_of_a_base_run_first_and_are_gone_then() -> None:
    onbuild = ContainerConfig(on_build=("RUN from-base", "COPY --from=tools /t /t"))
    plan = planned(
        "FROM debian AS tools\nFROM onbuild\nRUN own\n",
        bases={"debian:latest": BASE, "onbuild:latest": onbuild},
    )
    assert [step.instruction.original for step in plan.target.steps] == [
        "RUN from-base", "COPY --from=tools /t /t", "RUN own",
    ]  # fmt: skip
    assert plan.target.state.config.on_build == ()
    assert [stage.stage.name for stage in plan.stages] == ["tools", None]


def test_triggers_of_a_stage_run_in_those_on_top_of_it() -> None:
    plan = planned("FROM debian AS a\nONBUILD RUN later\nFROM a\n")
    assert [step.instruction.original for step in plan.target.steps] == ["RUN later"]


def test_entrypoint_resets_the_bases_cmd_but_not_the_stages_own() -> None:
    assert config_of('FROM debian\nENTRYPOINT ["/e"]\n').cmd is None
    assert config_of('FROM debian\nCMD ["c"]\nENTRYPOINT ["/e"]\n').cmd == ("c",)


def test_shell_form_uses_the_shell_in_force() -> None:
    assert config_of("FROM debian\nCMD run it\n").cmd == ("/bin/sh", "-c", "run it")
    assert config_of('FROM debian\nSHELL ["bash", "-e"]\nCMD run it\n').cmd == ("bash", "-e", "run it")


def test_env_replaces_in_place_and_sees_the_environment_before_it() -> None:
    config = config_of("FROM debian\nENV LANG=x NEW=${LANG}\nENV NEW=$NEW$LANG\n")
    assert config.env == ("PATH=/bin", "LANG=x", "NEW=Cx")


def test_a_build_argument_beats_the_default_and_needs_a_declaration() -> None:
    assert config_of("FROM debian\nARG A=1\nENV B=$A\n", A="2").env[-1] == "B=2"
    assert config_of("FROM debian\nENV B=x$A\n", A="2").env[-1] == "B=x"


def test_a_global_argument_is_seen_where_a_stage_declares_it() -> None:
    assert config_of("ARG A=1\nFROM debian\nENV B=x$A\n").env[-1] == "B=x"
    assert config_of("ARG A=1\nFROM debian\nARG A\nENV B=x$A\n").env[-1] == "B=x1"


def test_an_argument_after_an_env_of_the_same_name_wins_in_the_build_alone() -> None:
    plan = planned("FROM debian\nENV A=env\nARG A=arg\nRUN x\n")
    run = plan.target.steps[-1].action
    assert isinstance(run, RunAction)
    assert run.environment.variables()["A"] == "arg"
    assert "A=env" in plan.target.state.config.env


def test_the_stage_that_is_built_has_its_name_in_an_argument() -> None:
    text = "FROM debian AS a\nARG TARGETSTAGE\nENV B=$TARGETSTAGE\n"
    assert config_of(text).env[-1] == "B=a"
    assert planned(f"{text}FROM debian\n", targets=("A",)).target.state.config.env[-1] == "B=A"
    assert config_of(text.replace(" AS a", "")).env[-1] == "B=default"


def test_proxies_reach_run_and_nothing_else() -> None:
    plan = planned("FROM debian\nRUN x\n", args={"HTTP_PROXY": "http://proxy:1"})
    step = plan.target.steps[0]
    assert isinstance(step.action, RunAction)
    assert step.action.environment.variables()["http_proxy"] == "http://proxy:1"
    assert step.history is not None
    assert "proxy" not in step.history.created_by
    assert not [entry for entry in plan.target.state.config.env if "proxy" in entry.lower()]


def test_workdir_is_relative_to_the_one_before() -> None:
    plan = planned("FROM debian\nWORKDIR /a\nWORKDIR b/../c\n")
    assert plan.target.state.config.working_dir == "/a/c"
    assert plan.target.steps[1].action == WorkdirAction("/a/c", "app")


def test_an_absolute_workdir_stays_as_it_was_written() -> None:
    assert config_of("FROM debian\nWORKDIR /tmp/\n").working_dir == "/tmp/"
    assert config_of("FROM debian\nWORKDIR /tmp/\nWORKDIR $NOTHING\n").working_dir == "/tmp/"
    assert config_of("FROM debian\nWORKDIR /tmp/\nWORKDIR a/\n").working_dir == "/tmp/a"
    assert config_of("FROM scratch\nWORKDIR $NOTHING\n").working_dir == "/"


def test_the_root_as_workdir_makes_no_layer() -> None:
    assert planned("FROM debian\nWORKDIR /\n").target.steps[0].action is None


def test_labels_ports_and_volumes_are_added_to_the_bases() -> None:
    bases = {"b:latest": ContainerConfig(labels={"a": "1"}, exposed_ports=("1/tcp",), volumes=("/v",))}
    config = planned("FROM b\nLABEL b=2\nEXPOSE 80-81 1\nVOLUME /w\n", bases=bases).target.state.config
    assert dict(config.labels) == {"a": "1", "b": "2"}
    assert set(config.exposed_ports) == {"1/tcp", "80/tcp", "81/tcp"}
    assert config.volumes == ("/v", "/w")


def test_a_script_in_a_heredoc_is_run_as_a_program_of_its_own() -> None:
    plan = planned("FROM debian\nRUN <<EOF\n#!/usr/bin/python\nprint(1)\nEOF\n")
    run = plan.target.steps[0].action
    assert isinstance(run, RunAction)
    assert run.script == Script("/dev/pipes/EOF", "#!/usr/bin/python\nprint(1)\n")
    assert run.argv == ("/bin/sh", "-c", "/dev/pipes/EOF")


def test_a_plain_heredoc_is_a_script_for_the_shell() -> None:
    run = planned("FROM debian\nRUN <<EOF\necho 1\nEOF\n").target.steps[0].action
    assert isinstance(run, RunAction)
    assert run.argv == ("/bin/sh", "-c", "echo 1\n")


def test_a_script_is_started_by_the_shell_in_force() -> None:
    plan = planned('FROM debian\nSHELL ["bash", "-c"]\nRUN <<-EOF\n\t#!/usr/bin/python\n\tEOF\n')
    step = plan.target.steps[1]
    assert isinstance(step.action, RunAction)
    assert step.action.argv == ("bash", "-c", "/dev/pipes/EOF")
    assert step.action.script == Script("/dev/pipes/EOF", "#!/usr/bin/python\n")
    assert step.history is not None
    assert step.history.created_by == "RUN bash -c /dev/pipes/EOF # buildkit"


def test_the_history_is_written_as_buildkit_writes_it() -> None:
    plan = planned("FROM debian\nARG A=1\nRUN echo $A\nENV X=y\nCOPY a b /c/\nWORKDIR /w\nUSER u\n")
    texts = [step.history.created_by for step in plan.target.steps if step.history]
    assert texts == [
        "ARG A=1",
        "RUN |1 A=1 /bin/sh -c echo $A # buildkit",
        "ENV X=y",
        "COPY a b /c/ # buildkit",
        "WORKDIR /w",
        "USER u",
    ]


def test_a_base_image_keeps_what_is_known_of_it() -> None:
    base = planned("FROM debian\n").target.base
    assert base == image(Reference.parse("debian"), AMD64, BASE)


@pytest.mark.parametrize(
    ("dockerfile", "needs"),
    [
        ("FROM debian AS base\nENV a=b\nFROM base\nCMD run\n", [Files.NONE, Files.NONE]),
        ("FROM debian\nRUN true\n", [Files.CONTENT]),
        ("FROM debian\nCOPY a /b\nWORKDIR /c\n", [Files.NAMES]),
        ("FROM debian\nCOPY --link a /b\nCOPY --link --chown=1:2 c /d\n", [Files.NONE]),
        ("FROM debian\nCOPY --link --chown=node a /b\n", [Files.NAMES]),
        ("FROM debian\nCOPY --link --chmod=755 a /b\n", [Files.NAMES]),
        ("FROM debian\nADD a /b\n", [Files.CONTENT]),
        ("FROM debian AS a\nCOPY a /b\nFROM a\nCOPY c /d\n", [Files.NAMES, Files.NAMES]),
        ("FROM debian AS a\nCOPY a /b\nFROM a\nCOPY --link c /d\n", [Files.NAMES, Files.NONE]),
        ("FROM debian AS a\nCOPY a /b\nFROM a\nRUN true\n", [Files.CONTENT, Files.CONTENT]),
        ("FROM debian AS a\nFROM debian\nCOPY --from=a /b /c\n", [Files.CONTENT, Files.NAMES]),
        (
            "FROM debian AS a\nFROM debian\nRUN --mount=from=a,target=/a true\n",
            [Files.CONTENT, Files.CONTENT],
        ),
        (
            "FROM debian AS a\nFROM a AS b\nFROM debian\nCOPY --from=b /c /d\n",
            [Files.CONTENT, Files.CONTENT, Files.NAMES],
        ),
    ],
)
def test_a_stage_needs_what_its_steps_and_other_stages_do_with_its_files(
    dockerfile: str, needs: list[Files]
) -> None:
    plan = planned(dockerfile)
    assert [plan.needs[stage.index] for stage in plan.stages] == needs


def test_only_stages_that_need_files_read_the_stage_that_they_start_from() -> None:
    plan = planned("FROM debian AS a\nRUN true\nFROM a AS b\nCMD run\nFROM a\nCOPY --from=b /c /d\n")
    assert plan.read_by[0] == (1, 2)
    assert planned("FROM debian AS a\nRUN true\nFROM a\nCMD run\n").read_by[0] == ()


def test_a_stage_is_bare_if_nothing_but_copies_is_below_it() -> None:
    plan = planned(
        "FROM scratch AS a\nCOPY x /\nFROM a AS b\nRUN y\nFROM b AS c\nFROM debian AS d\nFROM d\n"
        "COPY --from=c x /\n"
    )
    assert [stage.is_bare for stage in plan.stages] == [True, True, False, False, False]


def test_the_dockerfile_may_say_the_latest_time() -> None:
    text = "ARG SOURCE_DATE_EPOCH=5\nFROM debian\n"
    assert planned(text).epoch == 5
    assert planned(text, args={"SOURCE_DATE_EPOCH": "7"}).epoch == 7
    assert planned(text, args={"SOURCE_DATE_EPOCH": ""}).epoch is None
    assert planned("FROM debian\nARG SOURCE_DATE_EPOCH=5\n").epoch is None


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(f"FROM debian AS s{index}\nCOPY --from=s{max(index - 1, 0)} a b" for index in range(2000)),
        "\n".join(f"FROM s{index - 1} AS s{index}\nRUN x" for index in range(2000)),
        "FROM debian\n" + "\n".join(f"LABEL l{index}=x" for index in range(10_000)),
        "FROM debian\n" + "\n".join(f"ENV e{index}=x\nRUN x" for index in range(5_000)),
        "FROM debian\n" + "\n".join(f"USER $u{index}" for index in range(3_000)),
    ],
    ids=["copies", "chain", "labels", "environments", "undefined"],
)
def test_what_is_long_takes_time_in_proportion(text: str) -> None:
    text = text.replace("FROM s-1", "FROM debian").replace("AS s0\nCOPY --from=s0", "AS s0\nCOPY")
    started = time.process_time()
    plan = drafted(text, find_image=images({"debian:latest": BASE})).approved()
    assert len(plan.chain()) in (1, 2000)
    assert time.process_time() - started < 5
