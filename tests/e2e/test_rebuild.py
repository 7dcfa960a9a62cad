"""What is built again by itself on the real cluster: by schedule, and because something has moved."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from support.cluster import Cluster
from support.flux import Sources, definitions
from support.git import WHY_NO_GIT, git, make_repository, smart_http
from support.imagebuilds import Builds
from support.operator_process import wait_until
from support.web import serving_files

pytestmark = [pytest.mark.cluster, pytest.mark.skipif(bool(WHY_NO_GIT), reason=WHY_NO_GIT)]

_TIMES = ("queuedAt", "startedAt", "finishedAt")


@pytest.fixture
def servers(cluster: Cluster, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """A git server and a web server that pods reach: beside the registry, on the cluster's own network."""
    address = cluster.registry.rpartition(":")[0]
    with ExitStack() as stack:
        try:
            repositories = stack.enter_context(smart_http(tmp_path / "git", address=address))
            archives = stack.enter_context(serving_files(tmp_path / "archives", address))
        except OSError:
            pytest.skip(f"{address} is not this machine's: there is no server here that pods reach")
        yield repositories, archives


def push(cluster: Cluster, source: str, to: str) -> None:
    """Have a name stand for another image."""
    command = ["skopeo", "copy", "--src-tls-verify=false", "--dest-tls-verify=false"]
    images = (f"docker://{cluster.registry}/library/{source}", f"docker://{to}")
    subprocess.run([*command, *images], check=True, capture_output=True)


def settled(builds: Builds, name: str, run: int) -> dict[str, Any]:
    """The status of a run that has succeeded."""
    status: dict[str, Any] = {}

    def done() -> bool:
        status.update(builds.status(name))
        return status.get("phase") == "Succeeded" and status["run"]["number"] == run

    wait_until(done, seconds=120)
    return status


def grow_older(builds: Builds, kubectl: Any, name: str) -> None:
    """Let two days pass for a build that has ended."""

    def before(time: str) -> str:
        return (datetime.fromisoformat(time).astimezone(UTC) - timedelta(days=2)).strftime(
            "%Y-%m-%dT%H:%M:%SZ"
        )

    status = builds.status(name)
    older: dict[str, Any] = {"run": {key: before(status["run"][key]) for key in _TIMES}}
    if "schedule" in status:
        older["schedule"] = {"since": before(status["schedule"]["since"])}
    patch = json.dumps({"status": older})
    kubectl("patch", "imagebuild", name, "--subresource=status", "--type=merge", "-p", patch)


def test_what_has_moved_or_is_due_is_built_again_and_nothing_else_is(
    cluster: Cluster, builds: Builds, servers: tuple[str, str], tmp_path: Path
) -> None:
    kubectl = partial(cluster.kubectl, "-n", builds.namespace)
    base = f"{cluster.registry}/{builds.namespace}/base:1"
    pinned = f"{cluster.registry}/library/busybox"
    push(cluster, "busybox", base)
    repository = tmp_path / "git/app"
    (tmp_path / "archives").mkdir(exist_ok=True)
    make_repository(repository)
    (repository / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
    git(repository, "add", "-A")
    git(repository, "commit", "-q", "-m", "second")
    for file in definitions():
        cluster.kubectl("apply", "--server-side", "-f", str(file))
    sources = Sources(kubectl, tmp_path / "archives", servers[1])
    sources.apply("app")

    def to(name: str) -> str:
        return f"{cluster.registry}/{builds.namespace}/{name}:1"

    follows = {"onBaseImageChange": {"interval": "1h"}}
    moving = ("one", "two", "three")
    for name in moving:
        builds.apply(name, f"FROM {base}\nLABEL name={name}\n", to(name), rebuild=follows)
    builds.apply("still", f"FROM {pinned}\nLABEL name=still\n", to("still"), rebuild=follows)
    builds.apply("timed", "FROM scratch\nLABEL a=b\n", to("timed"), rebuild={"schedule": {"cron": "@daily"}})
    in_context = {"dockerfileFrom": {"path": "Dockerfile"}}
    of_git = {"git": {"url": f"{servers[0]}/app", "ref": "main"}}
    every_minute = {"onGitChange": {"interval": "1m"}}
    builds.apply("from-git", None, to("from-git"), context=of_git, rebuild=every_minute, **in_context)
    of_flux = {"fluxSource": {"kind": "GitRepository", "name": "app"}}
    builds.apply("from-flux", None, to("from-flux"), context=of_flux, **in_context)

    commit = git(repository, "rev-parse", "HEAD")
    assert settled(builds, "from-git", 1)["source"]["commit"] == commit
    assert "SourceNotReady" in kubectl("get", "ib", "from-flux", "-o", "wide")
    digest = sources.publish("app", "1" * 40, Dockerfile="FROM scratch\nLABEL a=1\n")
    assert settled(builds, "from-flux", 1)["artifact"] == {
        "revision": f"main@sha1:{'1' * 40}",
        "digest": digest,
    }
    first = {name: settled(builds, name, 1) for name in (*moving, "still", "timed")}

    push(cluster, "nginx:1.19.5", base)
    git(repository, "commit", "-q", "--allow-empty", "-m", "third")
    sources.publish("app", "2" * 40, Dockerfile="FROM scratch\nLABEL a=2\n")
    for name in (*moving, "still", "timed", "from-git"):
        grow_older(builds, kubectl, name)

    for name in moving:
        status = settled(builds, name, 2)
        (was,), (now,) = first[name]["bases"], status["bases"]
        assert status["run"]["reason"] == "BaseImageChanged"
        assert status["run"]["cause"] == f"{base} moved from {was['digest']} to {now['digest']}"
    asked = json.loads(kubectl("get", "events", "--field-selector=reason=Created", "-o", "json"))["items"]
    pods = [name for event in asked if "-resolve-" in (name := event["involvedObject"]["name"])]
    assert len([name for name in pods if name.startswith(moving)]) == 1
    changed = settled(builds, "from-git", 2)
    assert changed["source"]["commit"] == git(repository, "rev-parse", "HEAD")
    assert changed["run"]["reason"] == "GitChanged"
    assert settled(builds, "from-flux", 2)["run"]["reason"] == "SourceChanged"
    assert settled(builds, "timed", 2)["run"]["reason"] == "Scheduled"
    wait_until(lambda: "asked" in builds.status("still"))
    still = settled(builds, "still", 1)
    assert [(it["name"], it["resolved"]) for it in still["asked"]] == [
        (it["reference"], it["digest"]) for it in first["still"]["bases"]
    ]
    assert "BaseImageChanged" in kubectl("get", "ib", "one", "-o", "wide")
    assert f"since {base} moved from" in builds.describe_until("one", "moved from")


def test_the_rebuild_example_is_built_and_says_when_it_is_due(cluster: Cluster, builds: Builds) -> None:
    # What comes by that name is of no matter, but for its packages being there yet.
    push(cluster, "nginx:1.19.5", f"{cluster.registry}/library/nginx:1.27")
    builds.apply_example("rebuild", f"{cluster.registry}/team/nginx-patched:1")
    status = builds.wait_until_done("nginx-patched")
    assert status["phase"] == "Succeeded"
    assert datetime.fromisoformat(status["schedule"]["next"]).weekday() == 0
