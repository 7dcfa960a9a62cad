"""Credentials in variables of their own."""

import pytest

from yadokari_builder.oci.reference import Repository
from yadokari_builder.registry.credentials.credential import Credential
from yadokari_builder.registry.credentials.variables import GitLabVariables, KanikoVariables


def kaniko(registry: str, **environment: str) -> Credential | None:
    return KanikoVariables(environment).find(Repository(registry, "x"))


@pytest.mark.parametrize(
    ("registry", "name"),
    [
        ("registry.example.com", "REGISTRY_EXAMPLE_COM"),
        ("registry.example.com", "EXAMPLE_COM"),
        ("my-registry.example.com", "MY_REGISTRY_EXAMPLE_COM"),
        ("registry.example.com:5000", "REGISTRY_EXAMPLE_COM_5000"),
        ("docker.io", "INDEX_DOCKER_IO"),
        ("docker.io", "DOCKER_IO"),
        ("localhost", "LOCALHOST"),
    ],
)
def test_kanikos_variables_are_named_after_the_host(registry: str, name: str) -> None:
    environment = {f"KANIKO_{name}_USER": "me", f"KANIKO_{name}_PASSWORD": "secret"}
    assert kaniko(registry, **environment) == Credential("me", "secret")
    assert kaniko("other.test", **environment) is None


def test_the_longest_name_counts_and_half_a_pair_does_not() -> None:
    pair = {"KANIKO_A_EXAMPLE_USER": "a", "KANIKO_A_EXAMPLE_PASSWORD": "x"}
    wider = {"KANIKO_EXAMPLE_USER": "any", "KANIKO_EXAMPLE_PASSWORD": "y"}
    assert kaniko("a.example", **pair, **wider) == Credential("a", "x")
    assert kaniko("a.example", KANIKO_A_EXAMPLE_USER="a", **wider) == Credential("any", "y")


def gitlab(registry: str, **environment: str) -> Credential | None:
    return GitLabVariables(environment).find(Repository(registry, "x"))


def test_a_gitlab_jobs_token_is_for_its_own_registry_alone() -> None:
    job = {"CI_REGISTRY": "git.example:5050", "CI_REGISTRY_USER": "job", "CI_REGISTRY_PASSWORD": "token"}
    assert gitlab("git.example:5050", **job) == Credential("job", "token")
    assert gitlab("git.example", **job) is None
    assert gitlab("other.example", **job) is None
    assert gitlab("git.example", **{**job, "CI_REGISTRY": "https://git.example"}) == Credential(
        "job", "token"
    )
    assert gitlab("git.example:5050", CI_REGISTRY="git.example:5050", CI_REGISTRY_USER="job") is None


def test_a_gitlab_job_may_use_the_dependency_proxy() -> None:
    job = {
        "CI_DEPENDENCY_PROXY_SERVER": "git.example:443",
        "CI_DEPENDENCY_PROXY_USER": "job",
        "CI_DEPENDENCY_PROXY_PASSWORD": "token",
    }
    assert gitlab("git.example:443", **job) == Credential("job", "token")
    assert gitlab("docker.io", **job) is None


def test_without_variables_there_is_nothing() -> None:
    assert kaniko("a.example") is None
    assert gitlab("a.example") is None


def test_no_secret_is_in_a_repr() -> None:
    environment = {"CI_REGISTRY_PASSWORD": "hunter2"}
    assert "hunter2" not in repr(GitLabVariables(environment)) + repr(KanikoVariables(environment))
