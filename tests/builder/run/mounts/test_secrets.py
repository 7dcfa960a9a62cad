import base64
from pathlib import Path

import pytest

from yadokari_builder.errors import RunError, UsageError
from yadokari_builder.run.mounts.secrets import MAX_BYTES, SecretSource, load_secrets, parse_secret


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("id=a,src=/x", SecretSource("a", path="/x")),
        ("id=a,source=/x", SecretSource("a", path="/x")),
        ("type=file,id=a,src=/x=y", SecretSource("a", path="/x=y")),
        ("id=a,env=V", SecretSource("a", variable="V")),
        ("type=env,id=a,src=V", SecretSource("a", variable="V")),
        ("type=env,id=a", SecretSource("a", variable="a")),
        ("id=SET", SecretSource("SET", variable="SET")),
        ("type=file,id=SET", SecretSource("SET", path="SET")),
        ("id=unset", SecretSource("unset", path="unset")),
        ("id=a,env=V,encoding=base64", SecretSource("a", variable="V", is_base64=True)),
    ],
)
def test_a_secret_is_named_as_docker_build_names_it(text: str, expected: SecretSource) -> None:
    assert parse_secret(text, {"SET": "x"}) == expected


@pytest.mark.parametrize(
    "text",
    ["", "x", "src=/x", "id=a,src=/x,env=V", "id=a,mode=4", "id=a,type=url", "id=", "id=a,encoding=hex"],
)
def test_what_is_no_secret_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--secret"):
        parse_secret(text, {})


def test_values_come_from_files_and_variables_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"\x00\xff\n")
    sources = [SecretSource("a", path=str(tmp_path / "file")), SecretSource("b", variable="V")]
    secrets = load_secrets(sources, {"V": "value"})
    assert secrets.find("a", required=True) == b"\x00\xff\n"
    assert secrets.find("b", required=False) == b"value"
    assert secrets.find("c", required=False) is None
    assert "value" not in repr(secrets)


def test_a_required_secret_that_is_missing_is_named_in_buildkits_words() -> None:
    with pytest.raises(RunError, match="secret token: not found"):
        load_secrets([], {}).find("token", required=True)


def test_sources_that_are_not_there_or_too_large_are_refused(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(b"x" * (MAX_BYTES + 1))
    for source, message in (
        (SecretSource("a", path=str(tmp_path / "nothing")), "secret a: .*No such file"),
        (SecretSource("a", path=str(tmp_path / "large")), "secret a is larger"),
        (SecretSource("a", variable="V"), "secret a: the variable V is not set"),
    ):
        with pytest.raises(UsageError, match=message):
            load_secrets([source], {})


def test_values_that_no_variable_can_hold_come_as_base64(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(base64.encodebytes(bytes(MAX_BYTES)))
    sources = [
        SecretSource("a", variable="V", is_base64=True),
        SecretSource("b", path=str(tmp_path / "file"), is_base64=True),
    ]
    secrets = load_secrets(sources, {"V": " AP8=\n"})
    assert secrets.find("a", required=True) == b"\0\xff"
    assert secrets.find("b", required=True) == bytes(MAX_BYTES)


@pytest.mark.parametrize("value", ["hunter2", "hunter2-hunter2-", "aGVsbG8*"])
def test_what_is_no_base64_is_refused_and_not_shown(value: str) -> None:
    with pytest.raises(UsageError, match="secret a: it is no base64") as caught:
        load_secrets([SecretSource("a", variable="V", is_base64=True)], {"V": value})
    assert value not in str(caught.value)


def test_the_limit_is_that_of_the_value(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(base64.b64encode(bytes(MAX_BYTES + 1)))
    with pytest.raises(UsageError, match="secret a is larger"):
        load_secrets([SecretSource("a", path=str(tmp_path / "file"), is_base64=True)], {})
