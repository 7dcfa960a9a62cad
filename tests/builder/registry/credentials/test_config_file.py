import base64
import json

import pytest

from yadokari_builder.oci.reference import Repository
from yadokari_builder.registry.credentials.config_file import InvalidCredentialsError, parse_config
from yadokari_builder.registry.credentials.credential import Credential, Credentials


def parse(**auths: object) -> Credentials:
    return parse_config(json.dumps({"auths": auths}), "config.json")


def auth(text: str) -> dict[str, str]:
    return {"auth": base64.b64encode(text.encode()).decode()}


@pytest.mark.parametrize(
    ("entry", "credential"),
    [
        (auth("me:pass:word"), Credential("me", "pass:word")),
        ({"auth": "bWU6cGFzcw"}, Credential("me", "pass")),
        ({"username": "me", "password": "pass"}, Credential("me", "pass")),
        ({"identitytoken": "t"}, Credential(identity_token="t")),
        ({"registrytoken": "t"}, Credential(registry_token="t")),
        (auth("<token>:t"), Credential(identity_token="t")),
        ({**auth("me:"), "identitytoken": "t"}, Credential("me", "", "t")),
    ],
)
def test_every_form_of_an_entry_is_read(entry: dict[str, str], credential: Credential) -> None:
    assert parse_config(json.dumps({"auths": {"r": entry}}), "x").find(Repository("r", "a/b")) == credential


@pytest.mark.parametrize(
    "key",
    ["https://index.docker.io/v1/", "index.docker.io", "docker.io", "https://registry-1.docker.io/v2/"],
)
def test_docker_hub_goes_by_all_its_names(key: str) -> None:
    assert parse(**{key: auth("me:hub")}).find(Repository("docker.io", "library/debian")) == Credential(
        "me", "hub"
    )


@pytest.mark.parametrize("key", ["r.example:5000", "https://r.example:5000", "http://R.example:5000/v2/"])
def test_a_registrys_key_may_have_a_scheme_and_the_apis_path(key: str) -> None:
    credentials = parse(**{key: auth("me:x")})
    assert credentials.find(Repository("r.example:5000", "a"))
    assert credentials.find(Repository("r.example", "a")) is None


@pytest.mark.parametrize(
    ("repository", "user"),
    [
        ("team/app", "app"),
        ("team/app/sub", "app"),
        ("team/apple", "team"),
        ("team", "team"),
        ("teams/app", "all"),
        ("other", "all"),
    ],
)
def test_the_longest_path_that_fits_counts(repository: str, user: str) -> None:
    keys = {"r": "all", "r/team": "team", "r/team/app": "app"}
    credentials = parse(**{key: auth(f"{name}:x") for key, name in keys.items()})
    found = credentials.find(Repository("r", repository))
    assert found is not None
    assert found.username == user


def test_a_star_stands_for_one_label_and_a_name_beats_it() -> None:
    credentials = parse(**{"*.example": auth("any:x"), "a.example": auth("a:x")})
    assert credentials.find(Repository("b.example", "x")) == Credential("any", "x")
    assert credentials.find(Repository("a.example", "x")) == Credential("a", "x")
    assert credentials.find(Repository("a.b.example", "x")) is None


def test_of_several_files_the_first_counts_and_the_rest_adds() -> None:
    merged = parse(a=auth("first:x")).merged(parse(a=auth("second:x"), b=auth("second:x")))
    assert merged.find(Repository("a", "x")) == Credential("first", "x")
    assert merged.find(Repository("b", "x")) == Credential("second", "x")


def test_helpers_are_known_by_registry_and_by_default() -> None:
    text = json.dumps({"auths": {"a": {}}, "credHelpers": {"gcr.io": "gcr"}, "credsStore": "desktop"})
    credentials = parse_config(text, "x")
    assert credentials.find(Repository("a", "x")) is None
    assert credentials.helper(Repository("gcr.io", "x")) == "gcr"
    assert credentials.helper(Repository("other", "x")) == ""
    assert credentials.default_helper == "desktop"


@pytest.mark.parametrize(
    "text",
    [
        "not json hunter2",
        '["hunter2"]',
        '{"auths": "hunter2"}',
        '{"auths": {"r": "hunter2"}}',
        '{"auths": {"r": {"auth": "hunter2"}}}',
        '{"auths": {"r": {"password": ["hunter2"]}}}',
        "[" * 100_000,
    ],
)
def test_what_is_no_config_is_refused_without_being_quoted(text: str) -> None:
    with pytest.raises(InvalidCredentialsError, match=r"^DOCKER_AUTH_CONFIG") as caught:
        parse_config(text, "DOCKER_AUTH_CONFIG")
    assert "hunter2" not in str(caught.value)


def test_no_secret_is_in_a_repr() -> None:
    credentials = parse(r={**auth("me:hunter2"), "identitytoken": "hunter3", "registrytoken": "hunter4"})
    assert "hunter" not in repr(credentials)
    assert "hunter" not in repr(credentials.find(Repository("r", "x")))
