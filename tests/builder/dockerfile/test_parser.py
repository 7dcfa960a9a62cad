import pytest

from yadokari_builder.dockerfile.instructions import Arg, Cmd, Command, Copy, From, Run
from yadokari_builder.dockerfile.location import Location
from yadokari_builder.dockerfile.parser import parse, parse_onbuild
from yadokari_builder.errors import DockerfileError


def test_a_dockerfile_is_args_and_stages() -> None:
    dockerfile = parse("# syntax=docker/dockerfile:1\nARG a=1 b\nFROM x AS Base\nRUN c\nFROM y\n")
    assert [(one.name, one.value) for one in dockerfile.directives] == [("syntax", "docker/dockerfile:1")]
    assert dockerfile.meta_args == (Arg((("a", "1"), ("b", None))),)
    first, second = dockerfile.stages
    assert (first.index, first.name, first.base) == (0, "base", From("x", "base"))
    assert first.instructions == (Run(Command(("c",), shell=True)),)
    assert (second.index, second.name, second.instructions) == (1, None, ())


def test_bytes_that_are_no_utf8_survive() -> None:
    (stage,) = parse(b"FROM a\nCOPY \xff /\n").stages
    assert stage.instructions == (Copy(("\udcff",), "/"),)


def test_instructions_know_where_they_stand_and_how_they_were_written() -> None:
    (one,) = parse("FROM a\n  cmd \\\n  x\n", file="sub/Dockerfile").stages[0].instructions
    assert one.location == Location("sub/Dockerfile", 2, 3)
    assert (one.original, one.origin.keyword) == ("cmd   x", "cmd")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the Dockerfile cannot be empty"),
        ("# only\n", "file with no instructions"),
        ("ARG a", "dockerfile contains no stages to build"),
        ("RUN a\nFROM b", "no build stage in current context"),
        ("FROM a\nRUM b", "unknown instruction: RUM (did you mean RUN?)"),
        ("FROM a\nrum b", "unknown instruction: rum (did you mean run?)"),
        ("FROM a\nCOPY --chwon=1 b c", "unknown flag: --chwon (did you mean chown?)"),
    ],
)
def test_wrong_dockerfiles_are_refused_in_buildkits_words(text: str, message: str) -> None:
    with pytest.raises(DockerfileError) as refused:
        parse(text)
    assert refused.value.message == message


def test_an_error_points_at_the_line_and_the_word() -> None:
    with pytest.raises(DockerfileError) as refused:
        parse("FROM a\nCOPY --form=b c d\n")
    assert str(refused.value).splitlines() == [
        "Dockerfile:2: unknown flag: --form (did you mean from?)",
        "  2 | COPY --form=b c d",
        "           ^",
    ]


def test_an_error_of_the_whole_file_names_the_file() -> None:
    with pytest.raises(DockerfileError) as refused:
        parse("# empty\n", file="other")
    assert str(refused.value) == "other: file with no instructions"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_a_file_in_utf16_is_named_as_such(encoding: str) -> None:
    with pytest.raises(DockerfileError, match="Dockerfile:1: the file is in UTF-16; save it as UTF-8"):
        parse("FROM a\nRUN é\n".encode(encoding))


@pytest.mark.parametrize("line", ["RÜN é", "RUN --é a"])
def test_an_error_in_a_file_that_is_no_utf8_says_so(line: str) -> None:
    with pytest.raises(DockerfileError, match=r"unknown .*\(line 3 is no UTF-8, but Latin-1 perhaps"):
        parse(f"FROM a\n# comment\n{line}\n".encode("latin-1"))


def test_an_error_says_nothing_of_the_encoding_of_utf8() -> None:
    with pytest.raises(DockerfileError) as refused:
        parse("FROM a\nRÜN é\n".encode())
    assert refused.value.message == "unknown instruction: RÜN (did you mean RUN?)"


def test_what_a_terminal_should_not_get_is_shown_as_an_escape() -> None:
    with pytest.raises(DockerfileError) as refused:
        parse("FROM a\nCOPY\t--\x1b[31m=b\r\x07 c\x85 d\n")
    assert str(refused.value).splitlines() == [
        "Dockerfile:2: unknown flag: --\\x1b[31m",
        "  2 | COPY\t--\\x1b[31m=b\\r\\a c\\u0085 d",
        "           ^",
    ]


def test_the_caret_stands_below_the_word_behind_escapes() -> None:
    with pytest.raises(DockerfileError) as refused:
        parse("FROM a\nRUN --network=\x1b --mount=from=$x,target=/a b\n")
    _, source, caret = str(refused.value).splitlines()
    assert source[caret.index("^") :].startswith("from=$x")


def test_an_error_shows_no_more_than_the_beginning_of_a_long_line() -> None:
    with pytest.raises(DockerfileError) as refused:
        parse(f"FROM a\nRUN --network={'b' * 60_000} c\n")
    message, source, caret = str(refused.value).splitlines()
    assert message == f'Dockerfile:2: invalid network mode "{"b" * 978}…'
    assert source == f"  2 | RUN --network={'b' * 986}…"
    assert source[caret.index("^") :].startswith("--network")


def test_triggers_stand_where_the_from_is_that_runs_them() -> None:
    here = Location("Dockerfile", 7, 7)
    copy, cmd = parse_onbuild(["COPY <<A /x\nhi\nA", 'CMD ["b"]'], here)
    assert isinstance(copy, Copy)
    assert copy.heredocs[0].content == "hi\n"
    assert cmd == Cmd(Command(("b",), shell=False))
    assert copy.location == cmd.location == here


@pytest.mark.parametrize(
    ("trigger", "message"),
    [
        ("RUN a\nRUN b", "onbuild trigger should be a single expression"),
        ("FROM a", "FROM isn't allowed as an ONBUILD trigger"),
        ("NO a", "unknown instruction: NO"),
        ("", "the Dockerfile cannot be empty"),
    ],
)
def test_a_base_images_wrong_trigger_is_refused(trigger: str, message: str) -> None:
    with pytest.raises(DockerfileError) as refused:
        parse_onbuild([trigger], Location("Dockerfile", 3, 3))
    assert (refused.value.message.partition(" (did")[0], refused.value.line) == (message, 3)
