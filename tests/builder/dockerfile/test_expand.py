import pytest

from yadokari_builder.dockerfile.expand import Variables, expand
from yadokari_builder.dockerfile.instructions import (
    Add,
    Cmd,
    Command,
    Copy,
    Entrypoint,
    Env,
    Expose,
    Healthcheck,
    Heredoc,
    Instruction,
    Label,
    Maintainer,
    Mount,
    Onbuild,
    Run,
    Shell,
    StopSignal,
    User,
    Volume,
    Workdir,
)
from yadokari_builder.dockerfile.parser import parse
from yadokari_builder.errors import DockerfileError

ENV = {"x": "v w", "y": "80 90"}


@pytest.mark.parametrize(
    ("instruction", "expected"),
    [
        (Env((("$x", "'$x'$x"), ("x", "n"), ("z", "$x"))), Env((("v w", "$xv w"), ("x", "n"), ("z", "v w")))),
        (Label((("a", '"$x"'),)), Label((("a", "v w"),))),
        (User("$x"), User("v w")),
        (Workdir("/${x}"), Workdir("/v w")),
        (Volume(("$x",)), Volume(("v w",))),
        (StopSignal("${no:-TERM}"), StopSignal("TERM")),
        (Expose(("$y", "'$y'")), Expose(("80", "90", "$y"))),
        (
            Copy(("$x",), "$x", chown="$x", chmod="$x", exclude=("$x",)),
            Copy(("v w",), "v w", chown="v w", chmod="v w", exclude=("$x",)),
        ),
        (Add(("$x",), "$x", checksum="$x"), Add(("v w",), "v w", checksum="v w")),
        (
            Run(Command(("$x",), shell=True), ("type=cache,target=/$x",), (Mount(),)),
            Run(
                Command(("$x",), shell=True),
                ("type=cache,target=/$x",),
                (Mount("cache", "/v w", readonly=False),),
            ),
        ),
    ],
)
def test_variables_are_replaced_where_buildkit_does(instruction: Instruction, expected: Instruction) -> None:
    assert expand(instruction, Variables(ENV)) == expected


@pytest.mark.parametrize(
    "instruction",
    [
        Run(Command(("$x",), shell=True, heredocs=(Heredoc("A", "$x"),))),
        Cmd(Command(("$x",), shell=False)),
        Entrypoint(Command(("$x",), shell=True)),
        Shell(("$x",)),
        Healthcheck(("CMD", "$x")),
        Onbuild("RUN $x"),
        Maintainer("$x"),
    ],
)
def test_the_rest_is_left_to_the_shell(instruction: Instruction) -> None:
    assert expand(instruction, Variables(ENV)) == instruction


def test_a_file_in_the_dockerfile_keeps_its_quotes_and_escapes_with_backslashes() -> None:
    heredocs = (Heredoc("a", 'it\'s "$x" \\$x `$x'), Heredoc("b", "$x", expand=False))
    copied = expand(Copy((), "/", heredocs), Variables({"x": "v"}, "`"))
    assert [heredoc.content for heredoc in copied.heredocs] == ['it\'s "v" $x `v', "$x"]


def test_names_that_are_undefined_are_told_once_for_each_word() -> None:
    variables = Variables(ENV)
    expand(Copy(("$x$b$a$b", "$a"), "/"), variables)
    assert variables.undefined == ["a", "b", "a"]


def test_an_error_points_at_the_word() -> None:
    (user,) = parse("FROM a\nUSER ${no:?is needed}").stages[0].instructions
    with pytest.raises(DockerfileError) as refused:
        expand(user, Variables({}))
    assert refused.value.message == 'failed to process "${no:?is needed}": no: is needed'
    assert (refused.value.line, refused.value.column) == (2, 5)


def test_a_volume_that_becomes_empty_is_refused() -> None:
    with pytest.raises(DockerfileError, match="VOLUME specified can not be an empty string"):
        expand(Volume(("$no",)), Variables({}))


def test_a_run_of_nothing_is_refused() -> None:
    (run,) = parse("FROM a\nRUN []").stages[0].instructions
    with pytest.raises(DockerfileError, match="Dockerfile:2: arguments are required"):
        expand(run, Variables({}))


@pytest.mark.parametrize("text", ["RUN a \udce9", "RUN <<E\n\udce9\nE", "RUN a <<E\n#!\udce9\nE"])
def test_a_command_with_bytes_that_are_no_utf8_is_refused_as_in_buildkit(text: str) -> None:
    (run,) = parse(f"FROM a\n{text}").stages[0].instructions
    with pytest.raises(DockerfileError, match="Dockerfile:2: the command holds bytes that are no UTF-8"):
        expand(run, Variables({}))


def test_a_script_may_hold_any_bytes() -> None:
    (run,) = parse("FROM a\nRUN <<E\n#!/bin/sh\n\udce9\nE").stages[0].instructions
    assert expand(run, Variables({})) == run
