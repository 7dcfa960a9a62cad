import pytest

from yadokari_builder.dockerfile.instructions import (
    Add,
    Arg,
    Cmd,
    Command,
    Copy,
    Device,
    Entrypoint,
    Env,
    Expose,
    From,
    Healthcheck,
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
from yadokari_builder.dockerfile.parser import read_instructions
from yadokari_builder.dockerfile.tree import read_tree
from yadokari_builder.errors import DockerfileError

SECOND = 1_000_000_000


def read(text: str) -> Instruction:
    (instruction,) = read_instructions(read_tree(text))
    return instruction


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("FROM --platform=$P a:$T as B-1", From("a:$T", "b-1", "$P")),
        ('ARG a b= c="d e"', Arg((("a", None), ("b", ""), ("c", '"d e"')))),
        ("ENV a b  c=d ", Env((("a", "b  c=d"),), legacy=True)),
        ("ENV a=b\\ c 'd e'=$f", Env((("a", "b\\ c"), ("'d e'", "$f")))),
        ("LABEL a=b", Label((("a", "b"),))),
        (
            "COPY --from=0 --chown=a:b --chmod=0755 --link --parents --exclude=x --exclude=y a b /c",
            Copy(
                ("a", "b"),
                "/c",
                from_="0",
                chown="a:b",
                chmod="0755",
                link=True,
                parents=True,
                exclude=("x", "y"),
            ),
        ),
        ('COPY ["a b", "/c d"]', Copy(("a b",), "/c d")),
        ("COPY --link=false -- --a /b", Copy(("--a",), "/b")),
        (
            "ADD --checksum=sha256:ab --keep-git-dir --unpack=false --chown=a a b",
            Add(("a",), "b", chown="a", checksum="sha256:ab", keep_git_dir=True, unpack=False),
        ),
        ("RUN  a  'b' ", Run(Command(("a  'b'",), shell=True))),
        ('RUN ["a", "b"]', Run(Command(("a", "b"), shell=False))),
        ("RUN ['a']", Run(Command(("['a']",), shell=True))),
        ("RUN", Run(Command((), shell=True))),
        (
            "RUN --network=none --security=insecure --device=v/d,required --mount=from=x,target=/y z",
            Run(
                Command(("z",), shell=True),
                ("from=x,target=/y",),
                (Mount(from_="x"),),
                "none",
                "insecure",
                (Device("v/d", True),),
            ),
        ),
        ("CMD []", Cmd(Command((), shell=False))),
        ("ENTRYPOINT a b", Entrypoint(Command(("a b",), shell=True))),
        ('SHELL ["a", "b"]', Shell(("a", "b"))),
        ("USER a:b", User("a:b")),
        ("WORKDIR a b", Workdir("a b")),
        ('VOLUME [" a ", "b"]', Volume(("a", "b"))),
        ("VOLUME a b", Volume(("a", "b"))),
        ("EXPOSE 90 80/udp", Expose(("80/udp", "90"))),
        ("STOPSIGNAL --ignored SIGTERM", StopSignal("SIGTERM")),
        ("MAINTAINER a <b>", Maintainer("a <b>")),
        ("onbuild  RUN a", Onbuild("RUN a")),
        ("HEALTHCHECK none", Healthcheck(("NONE",))),
        (
            "HEALTHCHECK --interval=1m30s --timeout=1.5s --start-period=1ms --start-interval=0 "
            "--retries=3 cmd a b",
            Healthcheck(("CMD-SHELL", "a b"), 90 * SECOND, 3 * SECOND // 2, 1_000_000, 0, 3),
        ),
        ('HEALTHCHECK CMD ["a", "b"]', Healthcheck(("CMD", "a", "b"))),
    ],
)
def test_instructions_are_read(text: str, expected: Instruction) -> None:
    assert read(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("FROM a b", "FROM requires either one or three arguments"),
        ("FROM a AS 1",
         'invalid name for build stage: "1", name can\'t start with a number or contain symbols'),
        ("ARG", "ARG requires at least one argument"),
        ("ARG =a", "ARG names can not be blank"),
        ("ENV a", "ENV must have two arguments"),
        ("ENV a=b c", "Syntax error - can't find = in \"c\". Must be of the form: name=value"),
        ("LABEL =a", "LABEL names can not be blank"),
        ("COPY a", "COPY requires at least two arguments, but only one was provided. "
         "Destination could not be determined"),
        ("COPY --link=maybe a b", "expecting boolean value for flag --link, not: maybe"),
        ("COPY --link= a b", "missing a value on flag: --link"),
        ("COPY --from a b", "missing a value on flag: --from"),
        ("COPY --from=a --from=b a b", "duplicate flag specified: --from"),
        ("COPY --checksum=a a b", "unknown flag: --checksum"),
        ("RUN --network=some a", 'invalid network mode "some"'),
        ("RUN --security=none a", 'security "none" is not valid'),
        ("RUN --mount=from=$x,target=/a b",
         "'from' doesn't support variable expansion, define alias stage instead"),
        ("RUN [1]", "when using JSON array syntax, arrays must be comprised of strings only"),
        ("CMD --a b", "unknown flag: --a"),
        ("SHELL a b", "SHELL requires the arguments to be in JSON form"),
        ('ENV a=b "x"', 'Syntax error - can\'t find = in "\\"x\\"". Must be of the form: name=value'),
        ("SHELL []", "SHELL requires at least one argument"),
        ('VOLUME ["a", ""]', "VOLUME specified can not be an empty string"),
        ("HEALTHCHECK NONE a", "HEALTHCHECK NONE takes no arguments"),
        ("HEALTHCHECK CMD", "Missing command after HEALTHCHECK CMD"),
        ("HEALTHCHECK HTTP a", 'Unknown type "HTTP" in HEALTHCHECK (try CMD)'),
        ("HEALTHCHECK --interval=1us CMD a", 'Interval "interval" cannot be less than 1ms'),
        ("HEALTHCHECK --interval=1 CMD a", 'time: missing unit in duration "1"'),
        ("HEALTHCHECK --retries=-1 CMD a", "--retries cannot be negative (-1)"),
        ("HEALTHCHECK --retries=a CMD a", 'strconv.ParseInt: parsing "a": invalid syntax'),
        ("HEALTHCHECK --retries=9999999999 CMD a",
         'strconv.ParseInt: parsing "9999999999": value out of range'),
        ("ONBUILD ONBUILD a", "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed"),
        ("ONBUILD " * 8_000 + "a", "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed"),
        ("ONBUILD --a ONBUILD a", "unknown flag: --a"),
        ("ONBUILD ENV a", "ENV must have two arguments"),
        ("ONBUILD maintainer a", "MAINTAINER isn't allowed as an ONBUILD trigger"),
    ],
)  # fmt: skip
def test_wrong_instructions_are_refused_in_buildkits_words(text: str, message: str) -> None:
    with pytest.raises(DockerfileError) as refused:
        read(text)
    assert refused.value.message == message


@pytest.mark.parametrize(
    "text", ['RUN ["a", NaN]', 'RUN ["a"', 'RUN ["a"] b', "RUN " + "[" * 50000, 'RUN ["\x01"]']
)
def test_what_is_no_json_is_a_shells_text(text: str) -> None:
    instruction = read(text)
    assert isinstance(instruction, Run)
    assert instruction.command.shell


def test_what_is_no_character_in_json_is_replaced() -> None:
    assert read('CMD ["\\ud800", "\udcff"]') == Cmd(Command(("\ufffd", "\ufffd"), shell=False))


def test_a_number_that_go_does_not_know_makes_no_json() -> None:
    assert read("CMD [1e999]") == Cmd(Command(("[1e999]",), shell=True))


def test_a_trigger_keeps_the_blanks_at_its_end() -> None:
    assert read(" ONBUILD  RUN a \t ") == Onbuild("RUN a \t ")
    assert read("ONBUILD RUN <<E  \na\nE\n") == Onbuild("RUN <<E  \na\nE")


@pytest.mark.parametrize(
    "text",
    [
        *("COPY b\0c /", "RUN b \\\n \0", 'RUN ["a\\u0000"]', "RUN <<E\n\0\nE", 'SHELL ["\\u0000"]'),
        *("ENV a=\0", "ARG a=\0", "WORKDIR \0", "FROM \0", "COPY --chown=\0 a b", "ADD \0 b"),
    ],
)
def test_a_nul_is_refused_where_no_path_variable_or_argument_can_hold_it(text: str) -> None:
    with pytest.raises(DockerfileError, match=r"Dockerfile:2: \w+ cannot hold a NUL character"):
        read(f"# comment\n{text}")


@pytest.mark.parametrize(
    "text", ["LABEL a=\0", 'CMD ["\\u0000"]', "VOLUME \0", "COPY <<E /\n\0\nE", "ONBUILD RUN \0"]
)
def test_a_nul_may_stand_in_what_is_only_noted_and_in_files(text: str) -> None:
    assert "\\x00" in repr(read(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("COPY --chown=é\u2028--link a b", Copy(("a",), "b", chown="é\u2028--link")),
        ("COPY --chown=\x85\xa0 a b", Copy(("a",), "b", chown="\x85\xa0")),
        ("COPY --link\v\f--parents a b", Copy(("a",), "b", link=True, parents=True)),
        ("COPY --link \u2028--parents b", Copy(("--parents",), "b", link=True)),
        ("COPY \x85--link b", Copy(("--link",), "b")),
        ("COPY --link -- é b\x85c", Copy(("é",), "b\x85c", link=True)),
    ],
)
def test_white_space_beside_flags_is_ascii_s_alone(text: str, expected: Instruction) -> None:
    assert read(text) == expected


def test_flags_may_be_quoted_and_escaped() -> None:
    copy = read("COPY --exclude='a b' --exclude=c\\ d\"\" e f")
    assert isinstance(copy, Copy)
    assert copy.exclude == ("a b", "c d")
