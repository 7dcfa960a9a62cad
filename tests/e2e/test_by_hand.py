"""The pods of docs/executor.md that build in a base's own container, as they stand there, on a real cluster.

What Tekton and Jenkins put around a step, their documentation and code tell: neither runs here.
"""

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.cluster import Cluster
from support.imagebuilds import Builds
from support.installation import Installation
from support.layout import Layout
from support.pages import DOCS, code

pytestmark = pytest.mark.cluster

DOCKERFILE = (
    "FROM {base}\nCOPY file /opt/file\nRUN echo made > /opt/made && stat -c '%n %a %u' /etc /bin > /names\n"
)
WORKSPACE = "/home/jenkins/agent/workspace/app"
_ENTRYPOINT = 'until [ -s /tekton/downward/ready ]; do sleep 0.1; done; "$@"; echo > /tekton/run/0/out'


class Hand:
    """What somebody does by hand in a namespace, who has read the page."""

    def __init__(self, cluster: Cluster, builds: Builds, executor: str) -> None:
        self.kubectl = partial(cluster.kubectl, "-n", builds.namespace)
        self.registry, self.namespace = cluster.registry, builds.namespace
        section = (DOCS / "executor.md").read_text().partition("\n## A base's own container\n")[2]
        self.pod, self.task, self.agent, self.pipeline = code(section.partition("\n## ")[0])
        base = f"{self.registry}/bases/{self.namespace}"
        builds.apply("base", "FROM busybox\nENV OPENSSL_CONF=/x\n", f"{base}:1")
        self.base = f"{base}@{builds.wait_until_done('base')['output']['digest']}"
        self._executor = executor
        files = {"Dockerfile": DOCKERFILE.format(base=f"{base}:1"), "file": "a file"}
        source = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "source"}, "data": files}
        login = {"metadata": {"name": "registry-login"}, "stringData": {".dockerconfigjson": "{}"}}
        for made in (source, {"apiVersion": "v1", "kind": "Secret", **login}):
            self.kubectl("apply", "-f", "-", input=json.dumps(made))

    def written(self, text: str, image: str) -> str:
        """Put what is there in the place of examples."""
        text = text.replace("docker.io/library/debian@sha256:DIGEST", self.base)
        text = text.replace(
            "registry.example.com/team/app:1", f"{self.registry}/team/{self.namespace}:{image}"
        )
        return text.replace("registry.example.com/yadokari/executor:1", self._executor)

    def apply(self, name: str, pod: dict[str, Any]) -> None:
        """Make a pod whose executor pushes without TLS."""
        pod["metadata"] = {"name": name, **pod.get("metadata", {}), "namespace": self.namespace}
        pod["metadata"]["name"] = name
        (container,) = pod["spec"]["containers"]
        if any("--lodging=" in word for word in container.get("args", [])):
            container["args"] += ["--insecure", "--insecure-pull", "--reproducible"]
        volumes = {"name": "source", "configMap": {"name": "source"}}
        named = [it for it in pod["spec"]["volumes"] if it["name"] != "source"]
        pod["spec"]["volumes"] = [*named, volumes]
        self.kubectl("apply", "-f", "-", input=json.dumps(pod))

    def layers(self, image: str, folder: Path) -> list[str]:
        """Read the digests of the layers of what was pushed."""
        layout = Layout.pull(f"{self.registry}/team/{self.namespace}:{image}", folder / image)
        added = layout.names_in_layers(skip=1)
        assert added == {"opt", "opt/file", "opt/made", "names"}
        return [str(it) for it in layout.layer_digests]


def of_tekton(task: dict[str, Any], params: dict[str, str]) -> dict[str, Any]:
    """Write the pod that Tekton makes of a task with one step and the workspace `source`.

    Its own program, which waits until the pod is ready and runs the step, is stood in for by busybox.
    """
    text = json.dumps(task).replace("$(workspaces.source.path)", "/workspace/source")
    for name, value in params.items():
        text = text.replace(f"$(params.{name})", value)
    spec = json.loads(text)["spec"]
    (step,) = spec["steps"]
    folders = {"bin": "bin", "run": "run/0", "steps": "steps", "home": "home", "results": "results"}
    own = [{"name": f"tekton-internal-{name}", "emptyDir": {}} for name in (*folders, "workspace", "creds")]
    mounts = [
        {"name": f"tekton-internal-{name}", "mountPath": f"/tekton/{path}", "readOnly": name == "bin"}
        for name, path in folders.items()
    ]
    ready = {"path": "ready", "fieldRef": {"fieldPath": "metadata.annotations['tekton.dev/ready']"}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"annotations": {"tekton.dev/ready": "READY"}},
        "spec": {
            "restartPolicy": "Never",
            "initContainers": [
                {
                    "name": "place-tools",
                    "image": params["base"],
                    "command": ["cp", "/bin/busybox", "/tekton/bin/busybox"],
                    "volumeMounts": [{"name": "tekton-internal-bin", "mountPath": "/tekton/bin"}],
                }
            ],
            "containers": [
                {
                    **step,
                    "name": f"step-{step['name']}",
                    "command": ["/tekton/bin/busybox"],
                    "args": ["sh", "-c", _ENTRYPOINT, "entrypoint", *step["command"], *step["args"]],
                    "terminationMessagePath": "/tekton/termination",
                    "volumeMounts": [
                        *step["volumeMounts"],
                        *mounts,
                        {"name": "tekton-internal-creds", "mountPath": "/tekton/creds"},
                        {"name": "tekton-internal-workspace", "mountPath": "/workspace"},
                        {"name": "downward", "mountPath": "/tekton/downward", "readOnly": True},
                        {"name": "source", "mountPath": "/workspace/source"},
                    ],
                }
            ],
            "volumes": [
                *spec["volumes"],
                *own,
                {"name": "downward", "downwardAPI": {"items": [ready]}},
            ],
        },
    }


def for_jenkins(pod: dict[str, Any]) -> dict[str, Any]:
    """Add to a pod template the volume of the workspace, which Jenkins mounts into all containers."""
    (container,) = pod["spec"]["containers"]
    container["volumeMounts"] += [
        {"name": "workspace-volume", "mountPath": "/home/jenkins/agent"},
        {"name": "source", "mountPath": f"{WORKSPACE}"},
    ]
    pod["spec"]["volumes"].append({"name": "workspace-volume", "emptyDir": {}})
    return pod


def test_pods_of_the_page_build_in_their_base(
    cluster: Cluster, builds: Builds, installation: Installation, tmp_path: Path
) -> None:
    hand = Hand(cluster, builds, installation.executor_image)
    params = {"base": hand.base, "image": f"{hand.registry}/team/{hand.namespace}:task"}
    hand.apply("pod", yaml.safe_load(hand.written(hand.pod, "pod")))
    hand.apply("task", of_tekton(yaml.safe_load(hand.written(hand.task, "")), params))
    hand.apply("agent", for_jenkins(yaml.safe_load(hand.written(hand.agent, ""))))
    hand.kubectl("wait", "pod/agent", "--for=condition=Ready", "--timeout=60s")
    command = hand.written(hand.pipeline, "agent").partition('"""')[2].partition('"""')[0]
    script = f"cd {WORKSPACE}; export WORKSPACE=$PWD; {command} --insecure --insecure-pull --reproducible"
    said = {"agent": hand.kubectl("exec", "agent", "--", "sh", "-c", f"{{ {script}; }} 2>&1; true")}
    for name in ("pod", "task"):
        ended = "--for=jsonpath={.status.containerStatuses[0].state.terminated}"
        hand.kubectl("wait", f"pod/{name}", ended, "--timeout=60s")
        said[name] = hand.kubectl("logs", name)
    for name, log in said.items():
        assert "is built in its base's own container: nothing is unpacked" in log, f"{name}: {log}"
    assert len({tuple(hand.layers(name, tmp_path)) for name in said}) == 1
