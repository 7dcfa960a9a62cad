"""Pods that ran kaniko run the executor: nothing is changed but the image's name.

Each is as the documentation of its system has it. The registry is the test's own, over plain HTTP and with a
password; the mirror stands in for Docker Hub.
"""

import json
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.layout import Layout
from support.pod import Bind, PodResult, run_pod, why_no_containers
from support.pod.mirror import running
from support.registry import PASSWORD, USER, Registry, running_registry

pytestmark = [
    pytest.mark.pod,
    pytest.mark.skipif(bool(why_no_containers()), reason=why_no_containers() or ""),
]

DOCKERFILE = "FROM busybox\nCOPY greeting /\nRUN cat /greeting > /copied\n"


@dataclass(frozen=True, slots=True)
class Site:
    """Folders that a pod sees, and where its image goes."""

    folder: Path
    registry: Registry

    @property
    def image(self) -> str:
        return f"{self.registry.host}/team/app:1"

    @property
    def login(self) -> str:
        return json.dumps({"auths": {self.registry.host: {"username": USER, "password": PASSWORD}}})

    def source(self) -> Path:
        """A checkout."""
        checkout = self.made("source")
        (checkout / "Dockerfile").write_text(DOCKERFILE)
        (checkout / "greeting").write_text("hello\n")
        return checkout

    def made(self, name: str) -> Path:
        folder = self.folder / name
        folder.mkdir()
        return folder

    def docker(self) -> Bind:
        """The Secret with the registry's login, mounted as every guide says."""
        secret = self.made("secret")
        (secret / "config.json").write_text(self.login)
        return Bind(str(secret), "/kaniko/.docker")

    def pushed(self) -> str:
        """The digest of the image, which holds what was built."""
        layout = Layout.pull(self.image, self.folder / "pulled", login=f"{USER}:{PASSWORD}")
        assert {"greeting", "copied"} <= layout.names_in_layers()
        return layout.digest


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with running_registry(tmp_path / "registry", passwords=True) as registry:
        yield Site(tmp_path, registry)


def run(
    arguments: Sequence[str],
    binds: Sequence[Bind],
    *,
    image: str = "executor",
    entrypoint: str = "/kaniko/executor",
    **environment: str,
) -> PodResult:
    mirror = {"KANIKO_REGISTRY_MIRROR": f"http://{running()}"}
    done = run_pod(arguments, binds=binds, image=image, entrypoint=entrypoint, env=mirror | environment)
    assert done.exit_code == 0, done.output
    return done


def test_gitlab_ci(site: Site) -> None:
    """`image: {name: ...:debug, entrypoint: [""]}`; the runner gives the script to the first shell."""
    script = """
        mkdir -p /kaniko/.docker
        echo "$LOGIN" > /kaniko/.docker/config.json
        /kaniko/executor \
          --context "$CI_PROJECT_DIR" --dockerfile "$CI_PROJECT_DIR/Dockerfile" \
          --destination "$CI_REGISTRY_IMAGE" --insecure --cleanup
    """
    find_shell = (
        "for shell in /usr/local/bin/bash /bin/bash /bin/sh /busybox/sh; do"
        f" if [ -x $shell ]; then exec $shell -ec {shlex.quote(script)}; fi; done; exit 1"
    )
    run(
        ["sh", "-c", find_shell],
        [Bind(str(site.source()), "/builds/team/app", writable=True)],
        image="debug",
        entrypoint="/busybox/busybox",
        CI_PROJECT_DIR="/builds/team/app",
        CI_REGISTRY_IMAGE=site.image,
        LOGIN=site.login,
    )
    assert site.pushed()


def test_jenkins(site: Site) -> None:
    """The pod sleeps (`command: [sleep]`); a stage runs its shell beside it, again and again."""
    stage = (
        "cd /home/jenkins/agent && /kaniko/executor -f `pwd`/Dockerfile -c `pwd` --insecure"
        f" --destination={site.image} && /kaniko/executor -f `pwd`/Dockerfile -c `pwd` --insecure"
        f" --destination={site.image}"
    )
    script = f"sleep 9999999 & /busybox/sh -c {shlex.quote(stage)} && kill -0 $! && kill $!"
    run(
        ["sh", "-c", script],
        [Bind(str(site.source()), "/home/jenkins/agent", writable=True), site.docker()],
        image="debug",
        entrypoint="/busybox/busybox",
    )
    assert site.pushed()


def test_tekton(site: Site) -> None:
    """The task of Tekton's catalogue: workspaces for source and login, the digest is a result."""
    results = site.made("results")
    run(
        [
            "--dockerfile=./Dockerfile",
            "--context=/workspace/source/./",
            f"--destination={site.image}",
            "--digest-file=/tekton/results/IMAGE_DIGEST",
            "--insecure",
        ],
        [
            Bind(str(site.source()), "/workspace/source", writable=True),
            Bind(str(results), "/tekton/results", writable=True),
            site.docker(),
        ],
    )
    assert (results / "IMAGE_DIGEST").read_text() == site.pushed()


def test_argo_workflows(site: Site) -> None:
    """The emissary, in a volume of its own at /var/run/argo, starts the executor and tells how it ended."""
    argo = site.made("argo")
    tell = '/kaniko/executor "$@"; echo $? > /var/run/argo/exitcode'
    run(
        [
            *("sh", "-c", tell, "executor"),
            *("--context=/workspace", f"--destination={site.image}", "--insecure"),
        ],
        [
            Bind(str(site.source()), "/workspace", writable=True),
            Bind(str(argo), "/var/run/argo", writable=True),
            site.docker(),
        ],
        image="debug",
        entrypoint="/busybox/busybox",
    )
    assert (argo / "exitcode").read_text() == "0\n"
    assert site.pushed()


def test_skaffold(site: Site) -> None:
    """Context and login are volumes below /kaniko, and the digest is the termination message."""
    message = site.folder / "termination-log"
    message.touch()
    run(
        [
            *("--destination", site.image, "--dockerfile", "Dockerfile"),
            *("--context", "dir:///kaniko/buildcontext", "--digest-file", "/dev/termination-log"),
            *("--insecure-registry", site.registry.host, "-v", "warning"),
        ],
        [
            Bind(str(site.source()), "/kaniko/buildcontext", writable=True),
            Bind(str(message), "/dev/termination-log", writable=True),
            site.docker(),
        ],
    )
    assert message.read_text() == site.pushed()


def test_google_cloud_build(site: Site) -> None:
    """The source is on a mount at /workspace, which needs no flag; what was pushed is told in a folder."""
    outputs = site.made("outputs")
    run(
        [f"--destination={site.image}", "--insecure", "--cache=false", "--cache-ttl=336h"],
        [
            Bind(str(site.source()), "/workspace", writable=True),
            Bind(str(outputs), "/builder/outputs", writable=True),
            site.docker(),
        ],
        BUILDER_OUTPUT="/builder/outputs",
    )
    told = json.loads((outputs / "images").read_text())
    assert told == {"name": site.image, "digest": site.pushed()}
