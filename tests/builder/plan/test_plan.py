from collections.abc import Callable, Mapping
from types import MappingProxyType

import pytest

from yadokari_builder.dockerfile.parser import parse
from yadokari_builder.errors import DockerfileError, ImageNotFoundError
from yadokari_builder.oci.config import ContainerConfig, ImageConfig
from yadokari_builder.oci.image import Image
from yadokari_builder.oci.media_types import OCI_MANIFEST
from yadokari_builder.oci.platform import Platform
from yadokari_builder.oci.reference import Reference
from yadokari_builder.plan.needs import Files
from yadokari_builder.plan.plan import ImageBase, Plan, make_plan
from yadokari_builder.plan.scope import open_scope
from yadokari_builder.plan.steps import (
    ContextSource,
    CopyAction,
    EmptySource,
    ImageSource,
    RunAction,
    Script,
    StageSource,
    WorkdirAction,
)

AMD64 = Platform("linux", "amd64")
BASE = ContainerConfig(
    env=("PATH=/bin", "LANG=C"), cmd=("sh",), entrypoint=("/init",), working_dir="/", user="app"
)

BaseImage = Callable[[Reference, Platform], Image]


def base_images(configs: Mapping[str, ContainerConfig], asked: list[tuple[str, Platform]]) -> BaseImage:
    def base_image(reference: Reference, platform: Platform) -> Image:
        asked.append((reference.familiar, platform))
        if reference.familiar not in configs:
            raise ImageNotFoundError(f"{reference.familiar}: not found")
        config = ImageConfig(platform=platform, config=configs[reference.familiar])
        return Image.assemble(config, (), OCI_MANIFEST)

    return base_image


def planned(
    text: str,
    *,
    target: str = "",
    args: Mapping[str, str] = MappingProxyType({}),
    bases: Mapping[str, ContainerConfig] = MappingProxyType({"debian:latest": BASE}),
    asked: list[tuple[str, Platform]] | None = None,
) -> Plan:
    dockerfile = parse(text)
    scope = open_scope(dockerfile, args, AMD64, target)
    return make_plan(dockerfile, scope, target, base_images(bases, [] if asked is None else asked))


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
    plan = planned("FROM debian AS One\nRUN a\nFROM debian AS two\nRUN b\n", target="ONE")
    assert plan.target.stage.name == "one"


def test_a_target_that_does_not_exist_is_told_with_the_nearest_name() -> None:
    with pytest.raises(DockerfileError, match=r'target stage "biuld" could not be found.*build'):
        planned("FROM debian AS build\n", target="biuld")


def test_a_stage_on_a_stage_goes_on_where_that_ended() -> None:
    plan = planned("ARG V=1\nFROM debian AS a\nARG X=2\nENV Y=3\nFROM a\nRUN $X\n")
    run = plan.target.steps[0].action
    assert isinstance(run, RunAction)
    assert (run.environment["X"], run.environment["Y"], run.environment["LANG"]) == ("2", "3", "C")
    assert [stage.index for stage in plan.chain()] == [0, 1]
    assert plan.target.base == StageSource(0)


def test_files_come_from_the_context_stages_images_or_nowhere() -> None:
    plan = planned(
        "FROM debian AS a\nFROM debian\nCOPY x /\nCOPY --from=A x /\nCOPY --from=0 x /\n"
        "COPY --from=busybox x /\nCOPY --from=scratch x /\n"
    )
    sources = [step.action.source for step in plan.target.steps if isinstance(step.action, CopyAction)]
    busybox = ImageSource(Reference.parse("busybox"))
    assert sources == [ContextSource(), StageSource(0), StageSource(0), busybox, EmptySource()]


def test_the_readers_of_a_stage_are_those_that_start_from_it_or_copy_from_it() -> None:
    plan = planned(
        "FROM debian AS a\nFROM a AS b\nFROM debian AS c\nRUN --mount=from=a,target=/a true\nFROM b\n"
        "COPY --from=c /x /x\n"
    )
    assert [stage.index for stage in plan.readers(0)] == [1, 2]
    assert [stage.index for stage in plan.readers(1)] == [3]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("FROM debian AS a\nCOPY --from=a x /\n", "circular dependency detected on stage: a"),
        ("FROM debian AS a\nCOPY --from=b x /\nFROM debian AS b\nFROM a\n", "needs to be defined before"),
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


def test_a_base_that_is_not_there_is_blamed_on_its_from() -> None:
    with pytest.raises(ImageNotFoundError) as caught:
        planned("# comment\nFROM nowhere\n")
    assert str(caught.value).startswith("Dockerfile:2: nowhere:latest: not found")


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
    assert run.environment["A"] == "arg"
    assert "A=env" in plan.target.state.config.env


def test_the_stage_that_is_built_has_its_name_in_an_argument() -> None:
    text = "FROM debian AS a\nARG TARGETSTAGE\nENV B=$TARGETSTAGE\n"
    assert config_of(text).env[-1] == "B=a"
    assert planned(f"{text}FROM debian\n", target="A").target.state.config.env[-1] == "B=A"
    assert config_of(text.replace(" AS a", "")).env[-1] == "B=default"


def test_proxies_reach_run_and_nothing_else() -> None:
    plan = planned("FROM debian\nRUN x\n", args={"HTTP_PROXY": "http://proxy:1"})
    step = plan.target.steps[0]
    assert isinstance(step.action, RunAction)
    assert step.action.environment["http_proxy"] == "http://proxy:1"
    assert step.history is not None
    assert "proxy" not in step.history.created_by
    assert not [entry for entry in plan.target.state.config.env if "proxy" in entry.lower()]


def test_workdir_is_relative_to_the_one_before() -> None:
    plan = planned("FROM debian\nWORKDIR /a\nWORKDIR b/../c\n")
    assert plan.target.state.config.working_dir == "/a/c"
    assert plan.target.steps[1].action == WorkdirAction("/a/c", "app")


def test_an_absolute_workdir_stays_as_it_was_written() -> None:
    assert config_of("FROM debian\nWORKDIR /tmp/\n").working_dir == "/tmp/"


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
    assert isinstance(base, ImageBase)
    assert base.reference.familiar == "debian:latest"


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
    assert [stage.index for stage in plan.readers(0)] == [1, 2]
    assert planned("FROM debian AS a\nRUN true\nFROM a\nCMD run\n").readers(0) == ()
