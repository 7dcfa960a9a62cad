"""Credential helpers: real programs that speak the protocol."""

import json
from pathlib import Path

import pytest

from yadokari_builder.oci.reference import Repository
from yadokari_builder.registry.credentials.config_file import parse_config
from yadokari_builder.registry.credentials.credential import Credential
from yadokari_builder.registry.credentials.environment import read_keychains
from yadokari_builder.registry.credentials.helpers import HelpedCredentials, Helpers

KNOWS = """#!/bin/sh
read -r server
echo "$1 $server" >> "$0.asked"
env > "$0.environment"
case $server in
    a.example) echo '{"ServerURL": "a.example", "Username": "me", "Secret": "hunter2"}';;
    https://index.docker.io/v1/) echo '{"Username": "<token>", "Secret": "hunter3"}';;
    *) echo "credentials not found in native keychain"; exit 1;;
esac
"""


def make_helper(folder: Path, name: str = "test", script: str = KNOWS) -> Path:
    program = folder / f"docker-credential-{name}"
    program.write_text(script)
    program.chmod(0o755)
    return program


def helped(folder: Path, **config: object) -> HelpedCredentials:
    return HelpedCredentials(
        parse_config(json.dumps(config), "x"), Helpers({"PATH": f"{folder}:/usr/bin:/bin"})
    )


def find(credentials: HelpedCredentials, registry: str) -> Credential | None:
    return credentials.find(Repository(registry, "team/app"))


def test_a_helper_is_asked_for_its_registry_once(tmp_path: Path) -> None:
    program = make_helper(tmp_path)
    credentials = helped(tmp_path, credHelpers={"a.example": "test"})
    assert find(credentials, "a.example") == find(credentials, "a.example") == Credential("me", "hunter2")
    assert find(credentials, "b.example") is None
    assert Path(f"{program}.asked").read_text() == "get a.example\n"


def test_a_store_is_asked_for_what_stands_nowhere_else(tmp_path: Path) -> None:
    make_helper(tmp_path)
    auths = {"a.example": {"username": "written", "password": "x"}}
    credentials = helped(tmp_path, credsStore="test", auths=auths)
    assert find(credentials, "a.example") == Credential("written", "x")
    assert find(credentials, "docker.io") == Credential(identity_token="hunter3")
    assert find(credentials, "b.example") is None


def test_a_registrys_own_helper_comes_before_what_is_written(tmp_path: Path) -> None:
    make_helper(tmp_path)
    auths = {
        "a.example": {"username": "written", "password": "x"},
        "b.example": {"username": "b", "password": "x"},
    }
    credentials = helped(tmp_path, credHelpers={"a.example": "test", "b.example": "test"}, auths=auths)
    assert find(credentials, "a.example") == Credential("me", "hunter2")
    assert find(credentials, "b.example") == Credential("b", "x")


def test_no_program_is_run_after_the_first_step(tmp_path: Path) -> None:
    program = make_helper(tmp_path)
    credentials = helped(tmp_path, credsStore="test")
    assert find(credentials, "a.example")
    credentials.helpers.freeze()
    program.write_text("#!/bin/sh\ntouch $0.evil\n")  # as a step does it
    assert find(credentials, "a.example") == Credential("me", "hunter2")
    assert find(credentials, "docker.io") is None
    assert not Path(f"{program}.evil").exists()


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("#!/bin/sh\necho hunter2; exit 3", "fails for a.example: status 3"),
        ("#!/bin/sh\necho hunter2", "does not answer as a credential helper does"),
        ('#!/bin/sh\necho \'{"Username": 1, "Secret": "hunter2"}\'', "does not answer as"),
        ("#!/no/such/interpreter", "cannot be run for a.example"),
    ],
)
def test_a_helper_that_fails_is_named_and_not_quoted(
    tmp_path: Path, script: str, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    make_helper(tmp_path, script=script)
    credentials = helped(tmp_path, credsStore="test")
    assert find(credentials, "a.example") is None
    assert message in caplog.text
    assert "hunter2" not in caplog.text


def test_a_helper_that_is_not_there_is_named(tmp_path: Path) -> None:
    repository = Repository("a.example", "x")
    assert "docker-credential-gone, which is not in" in helped(tmp_path, credsStore="gone").hint(repository)
    assert "not in" in helped(tmp_path, credsStore="../evil").hint(repository)
    assert helped(tmp_path).hint(repository) == ""
    make_helper(tmp_path)
    assert "gave no credentials" in helped(tmp_path, credsStore="test").hint(repository)


def test_a_helper_gets_the_environment_without_the_executors_own_secrets(tmp_path: Path) -> None:
    program = make_helper(tmp_path)
    environment = {
        "PATH": f"{tmp_path}:/usr/bin:/bin",
        "DOCKER_CONFIG": "/nowhere",
        "DOCKER_AUTH_CONFIG": '{"credsStore": "test"}',
        "AWS_REGION": "there",
        "LD_PRELOAD": "/no/such.so",
    }
    assert read_keychains(environment).pull.find(Repository("a.example", "x")) == Credential("me", "hunter2")
    seen = Path(f"{program}.environment").read_text()
    assert "AWS_REGION=there" in seen
    assert "DOCKER_AUTH_CONFIG" not in seen
    assert "LD_PRELOAD" not in seen
