"""`resolve`: what images and git refs point at now."""

import json
from pathlib import Path
from typing import Any

import pytest

from support.gate import Spoiled, running_gate, times
from support.git import WHY_NO_GIT, daemon, git, make_repository, smart_http
from support.handmade import make_image, push
from support.registry import Registry
from support.verbs import run_verb
from yadokari_builder.oci.platform import Platform
from yadokari_contract.results.answers import parse_resolve_result

NEEDS_GIT = pytest.mark.skipif(bool(WHY_NO_GIT), reason=WHY_NO_GIT)


def resolved(*arguments: str, **environment: str) -> list[Any]:
    """What each name points at: what it was resolved to, or the reason why not."""
    done = run_verb("resolve", "--insecure-pull", *arguments, **environment)
    read = parse_resolve_result(done.out)
    return [item.failure.reason if item.failure else item.resolved for item in read.items]


@pytest.fixture
def image(registry: Registry, name: str, tmp_path: Path) -> str:
    """An index of two images, `amd64` and `arm64`."""
    where = f"{registry.host}/{name}"
    for architecture in ("amd64", "arm64"):
        made = make_image(
            tmp_path / architecture, {architecture: b""}, platform=Platform("linux", architecture)
        )
        push(made, f"{where}:{architecture}")
    names = [f"{where}:amd64", f"{where}:arm64"]
    done = run_verb("index", "--insecure", "--insecure-pull", "-d", f"{where}:1", *names)
    assert done.code == 0, done.log
    return f"{where}:1"


def test_an_image_is_resolved_to_its_digest_without_fetching_it(image: str, registry: Registry) -> None:
    with running_gate(registry.host) as gate:
        name = image.replace(registry.host, gate.host)
        (digest,) = resolved(name)
    assert (gate.count("HEAD", "/manifests/1"), gate.count("GET", "/manifests/")) == (1, 0)
    assert registry.skopeo("inspect", "--format={{.Digest}}", f"docker://{image}").strip() == digest
    assert resolved(f"{image.removesuffix(':1')}@{digest}") == [digest]


def test_a_registry_that_does_not_say_a_digest_is_asked_for_what_has_it(
    image: str, registry: Registry
) -> None:
    with running_gate(registry.host) as gate:
        gate.spoil = times(1, "/manifests/1", Spoiled(200), "HEAD")
        assert resolved(image.replace(registry.host, gate.host)) == resolved(image)
        assert gate.count("GET", "/manifests/1") == 1


@pytest.mark.parametrize("status", [405, 501])
def test_an_image_is_resolved_where_head_is_not_allowed(image: str, registry: Registry, status: int) -> None:
    with running_gate(registry.host) as gate:
        gate.spoil = lambda request: Spoiled(status) if request.method == "HEAD" else None
        name = image.replace(registry.host, gate.host)
        (digest,) = resolved(name)
        assert [digest] == resolved(image)
        assert resolved(f"{name.removesuffix(':1')}@{digest}") == [digest]
        missing = f"{name.removesuffix(':1')}@sha256:{'0' * 64}"
        assert resolved(missing) == ["BaseImageNotFound"]


def test_a_mirror_is_asked_first(image: str, registry: Registry) -> None:
    mirrored = image.replace(registry.host, "r.invalid")
    maps = f"--registry-map=r.invalid=http://{registry.host}"
    assert resolved(mirrored, maps) == resolved(image)


@pytest.mark.long
def test_a_platform_chooses_in_an_index(image: str) -> None:
    both = [resolved(image.replace(":1", f":{one}")) for one in ("amd64", "arm64")]
    platforms = [resolved(image, f"--custom-platform=linux/{one}") for one in ("amd64", "arm64")]
    assert platforms == both
    assert both[0] != both[1]
    assert resolved(image, "--custom-platform=linux/s390x") == ["BaseImageNotFound"]


@pytest.mark.long
@NEEDS_GIT
def test_git_refs_are_resolved_to_commits(tmp_path: Path) -> None:
    project = make_repository(tmp_path / "served/app.git")
    first = git(project, "rev-parse", "HEAD")
    git(project, "tag", "light")
    git(project, "tag", "-a", "-m", "first", "v1")
    git(project, "commit", "-q", "--allow-empty", "-m", "second")
    second = git(project, "rev-parse", "HEAD")
    with smart_http(tmp_path / "served") as address:
        url = f"{address}/app.git"
        names = [url, f"{url}#main", f"{url}#v1", f"{url}#refs/tags/light:docs", f"{url}#main#{first}"]
        assert resolved(*names) == [second, second, first, first, first]
        assert resolved(f"{url}#nothing", f"{url}?tag=v1", f"{address}/none.git") == [
            "ContextFailed",
            first,
            "ContextFailed",
        ]
        kanikos = f"git://{address.removeprefix('http://')}/app.git#v1"
        assert resolved(kanikos, GIT_PULL_METHOD="http") == [first]
        assert resolved(url, "--git=branch=v1") == [first]


@NEEDS_GIT
def test_gits_own_protocol_is_asked_too(tmp_path: Path) -> None:
    project = make_repository(tmp_path / "served/app.git")
    with daemon(tmp_path / "served") as address:
        assert resolved(f"{address}/app.git", GIT_PULL_METHOD="git") == [git(project, "rev-parse", "HEAD")]


def test_what_fails_does_not_lose_what_does_not(image: str, tmp_path: Path) -> None:
    nothing = f"{image}-not-there"
    result = tmp_path / "result"
    done = run_verb(
        "resolve", "--insecure-pull", nothing, image, "UPPER", "s3://bucket/key", f"--result-file={result}"
    )
    assert done.code == 12
    assert result.read_text() + "\n" == done.out
    items = json.loads(done.out)["items"]
    assert [item["name"] for item in items] == [nothing, image, "UPPER", "s3://bucket/key"]
    assert [item["failure"]["reason"] if "failure" in item else "" for item in items] == [
        "BaseImageNotFound",
        "",
        "InvalidArguments",
        "ContextFailed",
    ]
    assert items[1] == {"name": image, "resolved": resolved(image)[0]}
    assert "404 Not Found (is there such a repository" in items[0]["failure"]["message"]
    assert items[0]["failure"]["message"] in done.log


def test_what_fails_for_all_is_told_once(tmp_path: Path) -> None:
    result = tmp_path / "result"
    done = run_verb("resolve", "debian", f"--result-file={result}", DOCKER_AUTH_CONFIG="no JSON")
    assert done.code == 2
    failure = parse_resolve_result(result.read_text()).failure
    assert failure
    assert failure.message == "DOCKER_AUTH_CONFIG is not JSON"


def test_a_password_in_a_name_is_not_shown() -> None:
    done = run_verb("resolve", "http://me:s3cret@127.0.0.1:9/app.git")
    assert json.loads(done.out)["items"][0]["name"] == "http://127.0.0.1:9/app.git"
    assert "s3cret" not in done.out + done.log


def test_names_are_needed() -> None:
    done = run_verb("resolve")
    assert done.code == 2
    assert "resolve takes one word at least" in done.log
