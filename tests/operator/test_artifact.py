"""The artifact of a source of Flux: what is taken of it, and what is said where there is none."""

from typing import Any

import pytest

from support.resources import SPEC, image_build
from yadokari_api.inputs.context import FluxSource
from yadokari_api.spec import ImageBuildSpec
from yadokari_contract.arguments import parse_arguments
from yadokari_operator.pods.inputs.artifact import Artifact, not_allowed, not_found, parse_artifact
from yadokari_operator.pods.inputs.gathered import Inputs, gather
from yadokari_operator.pods.inputs.missing import Missing
from yadokari_operator.pods.render import Attempt, pod
from yadokari_operator.settings import Settings

SOURCE = FluxSource(kind="GitRepository", name="app")
URL = "http://source-controller.flux-system.svc.cluster.local./gitrepository/team/app/1234.tar.gz"
HEX = "0123456789abcdef" * 4


def source(ready: str = "", **artifact: Any) -> dict[str, Any]:
    """A source as the API server gives it."""
    whole = {"url": URL, "digest": f"sha256:{HEX}", "revision": "main@sha1:abc"} | artifact
    conditions = [{"type": "Ready", "status": "False", "message": ready}] if ready else []
    return {"status": {"artifact": whole, "conditions": conditions}}


def inputs(**artifact: Any) -> Inputs:
    found = parse_artifact(SOURCE, source(**artifact))
    spec = SPEC | {"context": {"fluxSource": {"kind": "GitRepository", "name": "app"}}}
    made = gather(ImageBuildSpec.model_validate(spec), {}, found)
    assert isinstance(made, Inputs)
    return made


def test_the_executor_fetches_the_archive_and_checks_its_digest() -> None:
    made = pod(image_build(), inputs(), Settings(), Attempt(run="0123456789", number=1, retries=0))
    container = made["spec"]["containers"][0]
    assert parse_arguments(container["args"]).context == f"{URL}#sha256:{HEX}"
    assert container["env"] == []


def test_another_digest_is_another_build_and_another_place_or_revision_is_not() -> None:
    assert inputs().hash != inputs(digest="sha256:" + "f" * 64).hash
    assert inputs().hash == inputs(url=URL.replace("1234", "5678"), revision="main@sha1:def").hash


@pytest.mark.parametrize(
    ("resource", "why"),
    [
        ({}, "GitRepository app of spec.context.fluxSource has no artifact yet"),
        ({"status": None}, "no artifact yet"),
        ({"status": {"artifact": "x", "conditions": "x"}}, "no artifact yet"),
        (source("authentication\x1b[2J required", url=""), "yet: authentication\ufffd[2J required"),
        (source(digest="sha512:" + "0" * 128), "without a digest of sha256"),
        (source(digest=None), "without a digest of sha256"),
        (source(digest=f"sha256:{HEX}\n"), "without a digest of sha256"),
        (source(url="file:///etc/passwd"), "whose url is none of an archive"),
        (source(url="http://host/a.tar.gz#git"), "whose url is none of an archive"),
        (source(url="http://host/a b"), "whose url is none of an archive"),
        (source(url="http://host/repository.git"), "whose url is none of an archive"),
        (source(url=["http://host/a"]), "whose url is none of an archive"),
    ],
)
def test_what_is_no_artifact_is_not_ready_and_says_why(resource: dict[str, Any], why: str) -> None:
    missing = parse_artifact(SOURCE, resource)
    assert isinstance(missing, Missing)
    assert missing.reason == "SourceNotReady"
    assert why in missing.message


def test_what_a_revision_holds_can_be_shown() -> None:
    found = parse_artifact(SOURCE, source(revision="main\x1b\n" + "x" * 10_000))
    assert isinstance(found, Artifact)
    assert found.revision.startswith("main\ufffd\ufffdxxx")
    assert len(found.revision) == 256


def test_a_source_that_is_not_there_is_told_from_a_cluster_without_flux() -> None:
    assert (
        "GitRepository app of spec.context.fluxSource does not exist"
        in not_found(SOURCE, served=True).message
    )
    assert "install Flux's source-controller" in not_found(SOURCE, served=False).message
    assert "may not read GitRepository app" in not_allowed(SOURCE, "forbidden").message
