import pytest

from yadokari_builder.dockerfile.bases import Base, read_base
from yadokari_builder.dockerfile.instructions import From
from yadokari_builder.dockerfile.listener import Listener
from yadokari_builder.dockerfile.parser import Stage, parse
from yadokari_builder.errors import DockerfileError
from yadokari_builder.oci.platform import Platform

AMD64 = Platform("linux", "amd64")


def read(base: From, **env: str) -> Base:
    return read_base(Stage(0, base, ()), env, "\\", AMD64, Listener())


@pytest.mark.parametrize(
    ("platform", "expected"),
    [
        ("", AMD64),
        ("linux", AMD64),
        ("Linux", AMD64),
        ("arm64", Platform("linux", "arm64")),
        ("windows(10.0)", Platform("windows", "amd64", os_version="10.0")),
    ],
)
def test_what_a_platform_leaves_out_is_the_build_s(platform: str, expected: Platform) -> None:
    assert read(From("a", None, platform)) == Base("a", expected)


def test_a_platform_that_is_none_is_refused_with_its_line() -> None:
    base = parse("# x\nFROM --platform=what a").stages[0].base
    with pytest.raises(DockerfileError) as refused:
        read(base)
    assert str(refused.value).splitlines()[0] == (
        'Dockerfile:2: failed to parse platform what: "what": unknown operating system or architecture: '
        "invalid argument"
    )


def test_from_is_expanded_with_quotes_taken_off() -> None:
    base = From('"a:$x"', "name", "linux/${y}")
    assert read(base, x="1", y="arm64") == Base("a:1", Platform("linux", "arm64"))


@pytest.mark.parametrize(
    ("base", "message"),
    [
        (From("$no"), "base name ($no) should not be blank"),
        (From("a", None, "$x"), "empty platform value from expression $x"),
        (From("a", None, "$BULIDPLATFORM"), "empty platform value from expression $BULIDPLATFORM "
         "(did you mean BUILDPLATFORM?)"),
        (From("a", None, "linux/$x"), 'failed to parse platform linux/$x: "" is an invalid component of '
         '"linux/": platform specifier component must match "^[A-Za-z0-9_.-]+$": invalid argument'),
    ],
)  # fmt: skip
def test_a_from_that_names_nothing_is_refused(base: From, message: str) -> None:
    with pytest.raises(DockerfileError) as refused:
        read(base, BUILDPLATFORM="linux/amd64")
    assert refused.value.message == message
