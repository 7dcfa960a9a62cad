import base64
import json
from pathlib import Path

import pytest

from yadokari_builder.errors import UsageError
from yadokari_builder.oci.reference import Repository
from yadokari_builder.registry.credentials.credential import Place
from yadokari_builder.registry.credentials.environment import read_keychains
from yadokari_builder.registry.credentials.variables import GitLabVariables, KanikoVariables


def config(**users: str) -> str:
    auths = {
        host.replace("_", "."): {"auth": base64.b64encode(f"{user}:secret".encode()).decode()}
        for host, user in users.items()
    }
    return json.dumps({"auths": auths})


def user_for(environment: dict[str, str], registry: str) -> str | None:
    found = read_keychains(environment).pull.find(Repository(registry, "team/app"))
    return found.username if found else None


def test_credentials_of_several_variables_are_merged_and_the_first_counts() -> None:
    environment = {
        "DOCKER_CONFIG": "/nowhere",
        "DOCKER_AUTH_CONFIG_10": config(a_example="tenth", c_example="tenth"),
        "DOCKER_AUTH_CONFIG_2": config(a_example="second", b_example="second"),
        "DOCKER_AUTH_CONFIG": config(a_example="first"),
    }
    assert [user_for(environment, f"{name}.example") for name in "abc"] == ["first", "second", "tenth"]


def test_a_config_file_is_read_as_kaniko_reads_it(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(config(a_example="file", b_example="file"))
    environment = {"DOCKER_CONFIG": str(tmp_path), "DOCKER_AUTH_CONFIG": config(a_example="variable")}
    assert user_for(environment, "a.example") == "variable"
    assert user_for(environment, "b.example") == "file"


def test_credentials_that_are_no_json_are_named_and_not_shown() -> None:
    with pytest.raises(UsageError, match="DOCKER_AUTH_CONFIG") as caught:
        read_keychains({"DOCKER_AUTH_CONFIG": "hunter2", "DOCKER_CONFIG": "/nowhere"})
    assert "hunter2" not in str(caught.value)


def test_where_there_are_none_for_a_registry_those_that_there_are_are_named() -> None:
    said = json.dumps({"auths": {key: {"auth": "YTpi"} for key in ("A.example", "b.example:5000/team")}})
    environment = {"DOCKER_CONFIG": "/nowhere", "DOCKER_AUTH_CONFIG_PULL": said}
    keychains = read_keychains(environment)
    wanted = Repository("c.example", "team/app")
    assert keychains.pull.hint(wanted) == (
        "credentials are given for a.example, b.example:5000/team, not for it; it may also not exist"
    )
    assert keychains.push.hint(wanted) == ""
    many = json.dumps({"auths": {f"{letter}.example": {"auth": "YTpi"} for letter in "abcde"}})
    hint = read_keychains(environment | {"DOCKER_AUTH_CONFIG": many}).pull.hint(Repository("f.example", "x"))
    assert hint.startswith("credentials are given for a.example, b.example, b.example:5000/team and 3 more, ")


@pytest.mark.parametrize("key", ["hunter2", "https://me:hunter2@a.example", "a.example/\x1b[2J"])
def test_what_is_no_registry_is_in_no_hint(key: str) -> None:
    said = json.dumps({"auths": {key: {"auth": "YTpi"}}})
    keychains = read_keychains({"DOCKER_CONFIG": "/nowhere", "DOCKER_AUTH_CONFIG": said})
    assert keychains.pull.hint(Repository("c.example", "team/app")) == ""


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("{}", "it has no auths"),
        ('{"auths": null}', "it has no auths"),
        ('{"auths": {}, "psst": "hunter2"}', "it has no auths"),
        ('{"auths": {"a.example": {}}}', "its auths name no user and no token"),
        ('{"auths": {"a.example": {"auth": ""}}}', "its auths name no user and no token"),
        # As a Secret of type kubernetes.io/dockercfg has it.
        ('{"a.example": {"auth": "aHVudGVyMg=="}}', "it has no auths, below which its registries belong"),
    ],
)
def test_a_secret_without_credentials_is_told_in_the_log_and_where_a_registry_wants_some(
    said: str, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    environment = {"DOCKER_CONFIG": "/nowhere", "DOCKER_AUTH_CONFIG_PUSH_1": said}
    keychains = read_keychains(environment)
    told = f"DOCKER_AUTH_CONFIG_PUSH_1 holds no credentials: {why}"
    wanted = Repository("a.example", "team/app")
    assert caplog.messages == [told]
    assert keychains.push.hint(wanted) == told
    assert keychains.pull.hint(wanted) == ""
    both = read_keychains({**environment, "DOCKER_AUTH_CONFIG": config(b_example="me")})
    assert both.push.hint(wanted) == (
        f"credentials are given for b.example, not for it; it may also not exist; {told}"
    )


def test_a_secret_that_names_helpers_alone_lacks_nothing(caplog: pytest.LogCaptureFixture) -> None:
    for said in (
        '{"credsStore": "gcr"}',
        '{"credHelpers": {"a.example": "gcr"}, "auths": {"a.example": {}}}',
    ):
        read_keychains({"DOCKER_CONFIG": "/nowhere", "DOCKER_AUTH_CONFIG": said})
    assert caplog.messages == []


def test_a_config_file_without_credentials_is_told_only_where_a_registry_wants_some(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "config.json").write_text('{"currentContext": "it"}')
    keychains = read_keychains({"DOCKER_CONFIG": str(tmp_path)})
    assert caplog.messages == []
    hint = keychains.pull.hint(Repository("a.example", "team/app"))
    assert hint == f"{tmp_path}/config.json holds no credentials: it has no auths"


def users_for(environment: dict[str, str]) -> tuple[str, str]:
    """Tell who pulls and who pushes `a.example/team/app`."""
    keychains = read_keychains({"DOCKER_CONFIG": "/nowhere", **environment})
    found = [chain.find(Repository("a.example", "team/app")) for chain in (keychains.pull, keychains.push)]
    pull, push = (credential.username if credential else "nobody" for credential in found)
    return pull, push


def test_credentials_belong_to_a_purpose() -> None:
    pulling = {"DOCKER_AUTH_CONFIG_PULL_1": config(a_example="reader")}
    pushing = {"DOCKER_AUTH_CONFIG_PUSH_1": config(a_example="writer")}
    assert users_for(pulling) == ("reader", "nobody")
    assert users_for(pushing) == ("nobody", "writer")
    assert users_for({**pulling, **pushing}) == ("reader", "writer")


def test_those_of_a_purpose_come_before_those_for_both_however_well_these_fit() -> None:
    both = json.loads(config(a_example="both"))
    both["auths"]["a.example/team/app"] = both["auths"].pop("a.example")
    environment = {
        "DOCKER_AUTH_CONFIG": json.dumps(both),
        "DOCKER_AUTH_CONFIG_PUSH": config(a_example="writer"),
    }
    assert users_for(environment) == ("both", "writer")


def test_several_of_one_purpose_are_merged() -> None:
    environment = {
        "DOCKER_AUTH_CONFIG_PULL_2": config(a_example="second"),
        "DOCKER_AUTH_CONFIG_PULL_10": config(a_example="tenth"),
    }
    assert users_for(environment) == ("second", "nobody")


def test_a_variable_that_looks_like_credentials_and_is_not_read_is_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert users_for({"DOCKER_AUTH_CONFIG_PUSH_X": config(a_example="writer")}) == ("nobody", "nobody")
    assert "DOCKER_AUTH_CONFIG_PUSH_X is not read" in caplog.text


def test_a_further_file_is_named_by_podmans_variable(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(config(a_example="docker"))
    (tmp_path / "auth.json").write_text(config(a_example="podman", b_example="podman"))
    environment = {"DOCKER_CONFIG": str(tmp_path), "REGISTRY_AUTH_FILE": str(tmp_path / "auth.json")}
    assert user_for(environment, "a.example") == "docker"
    assert user_for(environment, "b.example") == "podman"
    with pytest.raises(UsageError, match=r"auth\.json: No such file"):
        read_keychains({"DOCKER_CONFIG": "/nowhere", "REGISTRY_AUTH_FILE": "/no/auth.json"})


def test_variables_come_after_what_is_written_and_only_where_they_are_wanted() -> None:
    environment = {
        "DOCKER_CONFIG": "/nowhere",
        "DOCKER_AUTH_CONFIG": config(a_example="written"),
        "KANIKO_EXAMPLE_USER": "kaniko",
        "KANIKO_EXAMPLE_PASSWORD": "x",
        "CI_REGISTRY": "b.example",
        "CI_REGISTRY_USER": "gitlab",
        "CI_REGISTRY_PASSWORD": "x",
    }

    def user(registry: str, *kinds: str) -> str | None:
        places: dict[str, Place] = {
            "env": KanikoVariables(environment),
            "gitlab": GitLabVariables(environment),
        }
        found = read_keychains(environment, [places[kind] for kind in kinds]).push.find(
            Repository(registry, "x")
        )
        return found.username if found else None

    assert user("a.example", "env") == "written"
    assert user("b.example", "env", "gitlab") == "kaniko"
    assert user("b.example", "gitlab", "env") == "gitlab"
    assert user("b.example") is None
