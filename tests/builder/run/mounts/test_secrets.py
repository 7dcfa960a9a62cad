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
    ],
)
def test_a_secret_is_named_as_docker_build_names_it(text: str, expected: SecretSource) -> None:
    assert parse_secret(text, {"SET": "x"}) == expected


@pytest.mark.parametrize(
    "text", ["", "x", "src=/x", "id=a,src=/x,env=V", "id=a,mode=4", "id=a,type=url", "id="]
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
