"""Small pods that ask or do something with a build's own credentials."""

from typing import Any

import pytest

from support.resources import DIGEST, IMAGE, RUNNING, SPEC, ended, image_build, knowing, pod_resource, waiting
from yadokari_api.reasons import StateReason
from yadokari_api.spec import ImageBuildSpec
from yadokari_contract.arguments import parse_index, parse_resolve
from yadokari_contract.reasons import Reason
from yadokari_contract.results.answers import (
    IndexedImage,
    IndexResult,
    Resolution,
    ResolveResult,
    format_index_result,
    format_resolve_result,
)
from yadokari_contract.results.build import Failure
from yadokari_contract.verbs import INDEX, RESOLVE, Verb
from yadokari_operator.pods.arguments import reach
from yadokari_operator.pods.errands.observed import Answered, ErrandPod, parse_errand
from yadokari_operator.pods.errands.render import Errand, errand_pod
from yadokari_operator.pods.observed import Standing, is_stuck, parse_pod
from yadokari_operator.pods.outcome import Failed, Running, Waiting
from yadokari_operator.settings import Settings

TOKEN = "0123456789"


def made(verb: Verb = RESOLVE, word: str = "busybox", **changes: Any) -> dict[str, Any]:
    spec, settings = (
        ImageBuildSpec.model_validate(SPEC | changes),
        Settings(registry_mirrors=("mirror.test",)),
    )
    asked = reach(spec, settings)
    errand = Errand(verb=verb, words=(word,), asked=asked, token=TOKEN, number=2)
    return errand_pod(image_build(), spec, settings, errand)


def container(**changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = made(**changes)["spec"]["containers"][0]
    return found


def read(status: dict[str, Any], verb: Verb = RESOLVE) -> ErrandPod:
    resource = pod_resource(made(verb), status)
    found = parse_errand(resource, knowing(image_build(), resource))
    assert found is not None
    return found


def test_its_arguments_are_the_verb_and_how_the_build_reaches_registries() -> None:
    secure = {"image": IMAGE, "insecure": True}
    arguments = container(
        destinations=[secure],
        executor={"extraArgs": ["--verbosity=debug", "--ignore-path=/x", "--registry-map=a=b"]},
    )["args"]
    assert arguments[0] == "resolve"
    names, asked = parse_resolve(arguments[1:], {})
    assert names == ("busybox",)
    assert asked.insecure_registries == ("registry.example.com",)
    assert (asked.registry_mirrors, asked.verbosity) == (("mirror.test",), "debug")
    assert dict(asked.registry_maps) == {"a": ("b",)}
    assert asked.result_file == "/dev/termination-log"
    parse_index(container(verb=INDEX, word=f"{IMAGE}@{DIGEST}")["args"][1:], {})


def test_it_has_the_credentials_of_the_build_but_no_secret_for_steps() -> None:
    variables = container(
        destinations=[{"image": IMAGE, "pushSecretRef": {"name": "push"}}],
        pullSecretRefs=[{"name": "pull"}],
        secrets=[{"id": "npm", "secretRef": {"name": "npm", "key": "token"}}],
        context={"git": {"url": "https://git.test/app", "secretRef": {"name": "git"}}},
        certificates={"configMapRef": {"name": "ca"}},
        executor={"env": [{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}]},
    )["env"]
    assert [it["name"] for it in variables] == [
        "DOCKER_AUTH_CONFIG_PULL_1",
        "DOCKER_AUTH_CONFIG_PUSH_1",
        "GIT_USERNAME",
        "GIT_PASSWORD",
        "HTTPS_PROXY",
        "SSL_CERT_DIR",
    ]


def test_it_runs_where_the_build_does_and_may_do_nothing() -> None:
    executor = {"nodeSelector": {"disk": "ssd"}, "imagePullSecrets": [{"name": "registry"}], "image": "own:1"}
    pod = made(executor=executor)["spec"]
    assert (pod["nodeSelector"], pod["imagePullSecrets"]) == ({"disk": "ssd"}, [{"name": "registry"}])
    assert pod["automountServiceAccountToken"] is False
    (only,) = pod["containers"]
    assert only["image"] == "own:1"
    assert only["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert only["securityContext"]["readOnlyRootFilesystem"]


def test_it_asks_for_little_and_for_all_that_a_quota_made_the_build_say() -> None:
    assert container()["resources"] == {"requests": {"cpu": "50m", "memory": "64Mi"}}
    large = {"cpu": "8", "memory": "16Gi", "ephemeral-storage": "40Gi", "example.com/gpu": 1}
    asked = container(executor={"resources": {"requests": large, "limits": large}})["resources"]
    assert asked["requests"] == {"cpu": "50m", "memory": "64Mi", "ephemeral-storage": "64Mi"}
    assert asked["limits"] == {"cpu": "1", "memory": "512Mi", "ephemeral-storage": "256Mi"}
    tiny = container(executor={"resources": {"limits": {"memory": "48Mi"}}})["resources"]
    assert (tiny["requests"]["memory"], tiny["limits"]) == ("48Mi", {"memory": "48Mi"})


def test_its_pod_is_read_as_it_was_written_and_is_no_attempt() -> None:
    resource = pod_resource(made(), RUNNING)
    pod = read(RUNNING)
    assert (pod.name, pod.verb, pod.token, pod.number) == (f"app-{TOKEN}-resolve-2", "resolve", TOKEN, 2)
    assert (pod.standing, pod.limit, pod.outcome) == (Standing.OURS, 300, Running())
    assert parse_pod(resource, knowing(image_build(), resource)) is None


def test_a_pod_that_the_operator_did_not_make_is_none() -> None:
    forged = pod_resource(made(), RUNNING)
    assert parse_errand(forged, knowing(image_build(), {"metadata": {"uid": "other"}})) is None
    forged["metadata"]["deletionTimestamp"] = "2026-01-02T03:04:05Z"
    assert is_stuck(forged, knowing(image_build(), {"metadata": {"uid": "other"}}))


def test_what_names_point_at_is_read_where_some_failed() -> None:
    commit = "a" * 40
    failure = Failure("BaseImageNotFound", "no\x1b[2J such")
    items = (Resolution("busybox", DIGEST), Resolution("x", failure=failure), Resolution("git", commit))
    text = format_resolve_result(ResolveResult(items=items, omitted=3))
    outcome = read(ended(Reason.IMAGE_NOT_FOUND.exit_code, text)).outcome
    assert isinstance(outcome, Answered)
    assert isinstance(outcome.answer, ResolveResult)
    busybox, broken, git = outcome.answer.items
    assert (busybox, git, outcome.answer.omitted) == (items[0], items[2], 3)
    assert broken.failure
    assert "\x1b" not in broken.failure.message


@pytest.mark.parametrize("resolved", ["", "latest", "sha256:1", "--flag", "x" * 5000])
def test_what_is_no_digest_or_commit_is_a_failure(resolved: str) -> None:
    text = format_resolve_result(ResolveResult(items=(Resolution("busybox", resolved),)), bounded=False)
    outcome = read(ended(0, text)).outcome
    assert isinstance(outcome, Answered)
    assert isinstance(outcome.answer, ResolveResult)
    assert outcome.answer.items[0].failure is not None


def test_an_index_is_read_without_what_cannot_be() -> None:
    good = IndexedImage("linux/arm64/v8", DIGEST, 7)
    hostile = (IndexedImage("linux/\n", DIGEST), IndexedImage("linux/amd64", "sha256:1"))
    result = IndexResult(digest=DIGEST, size=7, images=(IMAGE,), manifests=(good, *hostile))
    outcome = read(ended(0, format_index_result(result)), INDEX).outcome
    assert isinstance(outcome, Answered)
    assert isinstance(outcome.answer, IndexResult)
    assert (outcome.answer.digest, outcome.answer.manifests) == (DIGEST, (good,))


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (ended(0, ""), "ExecutorFailed"),
        (ended(0, "[]"), "ExecutorFailed"),
        (ended(0, format_index_result(IndexResult(digest="latest"))), "ExecutorFailed"),
        (ended(1, "Traceback: lost"), "ExecutorFailed"),
        (ended(137, reason="OOMKilled"), "OOMKilled"),
        (ended(13, format_index_result(IndexResult(failure=Failure("RegistryUnauthorized", "no")))),
         "RegistryUnauthorized"),
    ],
)  # fmt: skip
def test_an_errand_without_an_answer_has_failed(status: dict[str, Any], reason: str) -> None:
    outcome = read(status, INDEX).outcome
    assert isinstance(outcome, Failed)
    assert outcome.failure.reason == reason


def test_what_keeps_it_from_starting_is_told() -> None:
    found = read(waiting("CreateContainerConfigError", 'secret "push" not found')).outcome
    assert found == Waiting(
        StateReason.SECRET_NOT_FOUND, 'CreateContainerConfigError: secret "push" not found'
    )
