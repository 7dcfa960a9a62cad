"""ImageBuilds on the real cluster: what is applied, what is pushed, what `kubectl` then says."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from support.cluster import Cluster
from support.imagebuilds import Builds
from support.installation import Installation
from support.layout import Layout
from support.operator_process import wait_until

pytestmark = pytest.mark.cluster

IN_EACH_WAY = pytest.mark.parametrize(
    "builds", ["Never", "Always"], ids=["unpacked", "in its base"], indirect=True
)
EXAMPLES = Path(__file__).parents[2] / "examples"


def test_the_nginx_example_is_built_pushed_and_exact(
    cluster: Cluster, builds: Builds, tmp_path: Path
) -> None:
    image = f"{cluster.registry}/team/nginx-tools:1"
    builds.apply_example("nginx", image)
    status = builds.wait_until_done("nginx-tools")

    assert status["phase"] == "Succeeded"
    assert {c["type"]: c["status"] for c in status["conditions"]} == {
        "Ready": "True",
        "Reconciling": "False",
        "Stalled": "False",
        "Succeeded": "True",
    }
    layout = Layout.pull(image, tmp_path / "built")
    assert str(layout.digest) == status["output"]["digest"]
    assert layout.config["config"]["WorkingDir"] == "/etc/nginx"
    base = Layout.pull(f"{cluster.registry}/library/nginx:1.19.5", tmp_path / "base")
    assert layout.layer_digests[: len(base.layer_digests)] == base.layer_digests
    added = layout.names_in_layers(skip=len(base.layer_digests))
    assert {"usr/bin/vim", "usr/bin/ps", "usr/bin/netstat"} & added or "bin/netstat" in added
    foreign = ("yadokari", "busybox", "kaniko", "proc/", "sys/", "dev/")
    assert not [name for name in added if name.startswith(foreign)]
    assert not {"etc/hosts", "etc/hostname", "etc/resolv.conf"} & added
    output = cluster.kubectl("get", "imagebuilds", "-n", builds.namespace)
    assert output.splitlines()[0].split() == [
        *("NAME", "READY", "STATUS", "PROGRESS", "REASON", "IMAGE", "DURATION", "AGE")
    ]
    wide = cluster.kubectl("get", "ib", "-n", builds.namespace, "-o", "wide")
    assert status["output"]["digest"] in wide

    log = builds.run_pod("check", image, "netstat --version; ps --version; vim --version; pwd")
    assert all(word in log for word in ("net-tools", "procps", "VIM", "/etc/nginx"))


def test_the_same_dockerfile_inline_gives_the_same_files(cluster: Cluster, builds: Builds) -> None:
    image = f"{cluster.registry}/team/nginx-inline:1"
    builds.apply_example("nginx-inline", image)
    assert builds.wait_until_done("nginx-tools")["phase"] == "Succeeded"
    assert "net-tools" in builds.run_pod("check", image, "netstat --version")


def test_an_image_for_several_platforms_is_an_index_of_them(
    cluster: Cluster, builds: Builds, tmp_path: Path
) -> None:
    image = f"{cluster.registry}/team/multi-arch:1"
    builds.apply_example("multi-arch", image)
    status = builds.wait_until_done("multi-arch")
    assert status["phase"] == "Succeeded", status["message"]
    inspect = partial(subprocess.check_output, text=True)
    raw = json.loads(inspect(["skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{image}"]))
    assert [it["platform"]["architecture"] for it in raw["manifests"]] == ["amd64", "arm64"]
    told = [(it["platform"], it["digest"]) for it in status["output"]["platforms"]]
    assert told == list(
        zip(["linux/amd64", "linux/arm64"], [it["digest"] for it in raw["manifests"]], strict=True)
    )
    arm64 = Layout.pull(f"{image.rpartition(':')[0]}@{told[1][1]}", tmp_path / "arm64")
    assert arm64.config["architecture"] == "arm64"
    assert arm64.config["config"]["Labels"] == {"org.opencontainers.image.title": "Configuration for arm64"}
    # That of the index goes when its answer is told.
    wait_until(lambda: not any("-index-" in name for name in builds.pods("multi-arch")), seconds=60)
    # Nobody has a node of that kind: it is said which, and that the other platform is built meanwhile.
    builds.apply(
        "elsewhere",
        "FROM scratch\nWORKDIR /x\n",
        f"{image}-else",
        platforms=["linux/amd64", "linux/s390x"],
    )
    wait_until(lambda: "linux/amd64: built" in builds.status("elsewhere").get("message", ""), seconds=60)
    waiting = builds.status("elsewhere")
    assert waiting["conditions"][0]["reason"] == "Unschedulable"
    assert "linux/s390x takes a node of architecture s390x: " in waiting["message"]


def test_a_custom_executor_brings_its_tool_and_nothing_else(
    cluster: Cluster, builds: Builds, installation: Installation, tmp_path: Path
) -> None:
    custom = f"{cluster.registry}/team/custom-executor:1"
    builds.apply(
        "custom-executor",
        f"""
        FROM busybox AS tools
        RUN printf '#!/bin/sh\\necho tool works\\n' > /tool && chmod +x /tool
        RUN mkdir /stray && echo x > /stray/x
        FROM {installation.executor_image}
        COPY --from=tools /tool /yadokari/bin/tool
        COPY --from=tools /stray /etc/stray
        COPY --from=tools /stray /opt/stray
        """,
        custom,
    )
    assert builds.wait_until_done("custom-executor")["phase"] == "Succeeded"
    built = f"{cluster.registry}/team/by-custom:1"
    builds.apply(
        "by-custom",
        """
        FROM busybox
        RUN /yadokari/bin/tool > /result && ls /etc /opt >> /result 2>&1; true
        """,
        built,
        executor={"image": custom},
    )
    assert builds.wait_until_done("by-custom")["phase"] == "Succeeded"
    layout = Layout.pull(built, tmp_path / "built")
    assert not [name for name in layout.names_in_layers() if "stray" in name or name.startswith("yadokari")]
    log = builds.run_pod("check", built, "cat /result")
    assert "tool works" in log
    assert "stray" not in log


def test_the_same_inputs_are_not_built_again_and_a_change_is(cluster: Cluster, builds: Builds) -> None:
    image = f"{cluster.registry}/team/again:1"
    builds.apply("again", "FROM busybox\nRUN echo one > /one\n", image)
    first = builds.wait_until_done("again")
    cluster.kubectl("-n", builds.namespace, "annotate", "imagebuild/again", "touched=yes")
    builds.apply("again", "FROM busybox\nRUN echo one > /one\n", image)
    assert builds.status("again")["output"]["digest"] == first["output"]["digest"]
    assert builds.pods("again") == [first["run"]["pod"]]

    builds.apply("again", "FROM busybox\nRUN echo two > /two\n", image)
    second = builds.wait_until_done("again", not_digest=first["output"]["digest"])
    assert second["run"]["pod"] != first["run"]["pod"]


def test_an_operator_killed_during_a_build_loses_nothing(cluster: Cluster, builds: Builds) -> None:
    image = f"{cluster.registry}/team/{builds.namespace}:1"
    builds.apply("slow", "FROM busybox\nRUN sleep 8 && echo slept > /slept\n", image)
    builds.wait_until_running("slow")
    cluster.kubectl(
        "-n", "yadokari-system", "delete", "pod", "-l", "app.kubernetes.io/name=yadokari", "--force",
        "--grace-period=0",
    )  # fmt: skip
    status = builds.wait_until_done("slow")
    assert status["phase"] == "Succeeded"
    assert builds.pods("slow") == [status["run"]["pod"]]


@IN_EACH_WAY
def test_a_context_of_configmap_files_is_copied_from(cluster: Cluster, builds: Builds) -> None:
    cluster.kubectl(
        "-n", builds.namespace, "create", "configmap", "files", "--from-literal=greeting=good morning"
    )
    image = f"{cluster.registry}/team/{builds.namespace}:1"
    builds.apply(
        "context",
        "FROM busybox\nCOPY . /files/\nRUN test -s /files/greeting\n",
        image,
        context={"configMap": {"name": "files"}},
    )
    assert builds.wait_until_done("context")["phase"] == "Succeeded"
    log = builds.run_pod("check", image, "find /files -type f; cat /files/greeting")
    assert log.split("\n")[:2] == ["/files/greeting", "good morning"]


def test_a_dockerfile_of_the_context_is_built_with_secrets_arguments_and_labels(
    cluster: Cluster, builds: Builds, tmp_path: Path
) -> None:
    dockerfile = tmp_path / "Dockerfile"
    dockerfile.write_text(
        "FROM busybox\nARG GREETING\nCOPY src/hello /hello\n"
        'RUN --mount=type=secret,id=npm [ "$(cat /run/secrets/npm)" = s3cret ]\n'
        "RUN --mount=type=secret,id=key,target=/key [ $(od -An -tx1 /key | tr -d ' ') = 00ff ]\n"
        'RUN echo "$GREETING" > /greeting\n'
    )
    for resource in (
        ["configmap", "recipe", f"--from-file={dockerfile}"],
        ["configmap", "sources", "--from-literal=hello=good evening"],
        ["configmap", "args", "--from-literal=GREETING=bonsoir"],
        ["secret", "generic", "tokens", "--from-literal=npm=s3cret", "--from-literal=key=AP8="],
    ):
        cluster.kubectl("-n", builds.namespace, "create", *resource)
    image = f"{cluster.registry}/team/gathered:1"
    builds.apply(
        "gathered",
        None,
        image,
        dockerfileFrom={"path": "docker/Dockerfile"},
        context={
            "configMaps": [{"name": "recipe", "path": "docker"}, {"name": "sources", "path": "src"}],
        },
        buildArgsFrom=[{"configMapRef": {"name": "args"}}],
        secrets=[
            {"id": "npm", "secretRef": {"name": "tokens", "key": "npm"}},
            {"id": "key", "secretRef": {"name": "tokens", "key": "key"}, "encoding": "Base64"},
        ],
        output={"labels": {"team": "a"}, "timestamp": 1700000000, "compression": "zstd"},
        executor={"extraArgs": ["--single-snapshot"]},
    )
    status = builds.wait_until_done("gathered")
    assert status["phase"] == "Succeeded", status["message"]
    assert status["steps"]["current"] == status["steps"]["total"] > 0
    assert status["output"]["size"] > 0
    layout = Layout.pull(image, tmp_path / "built")
    assert layout.config["config"]["Labels"] == {"team": "a"}
    assert layout.config["created"] == "2023-11-14T22:13:20Z"
    assert "zstd" in layout.manifest["layers"][-1]["mediaType"]
    assert builds.run_pod("check", image, "cat /hello /greeting") == "good eveningbonsoir\n"


def test_a_context_may_be_what_a_registry_has(cluster: Cluster, builds: Builds, tmp_path: Path) -> None:
    image = f"{cluster.registry}/team/from-registry:1"
    context = {"oci": {"image": f"{cluster.registry}/library/busybox:latest"}}
    builds.apply("from-registry", "FROM scratch\nCOPY bin/busybox /tool\n", image, context=context)
    status = builds.wait_until_done("from-registry")
    assert status["phase"] == "Succeeded", status["message"]
    assert status["source"]["digest"].startswith("sha256:")
    assert "tool" in Layout.pull(image, tmp_path / "built").names_in_layers()


def steps(status: dict[str, Any]) -> dict[str, int]:
    """How many steps there were of each kind."""
    return {name: it for name, it in status["steps"].items() if name not in ("misses", "savedSeconds")}


@IN_EACH_WAY
def test_a_build_that_is_asked_for_again_takes_all_steps_from_the_cache(
    cluster: Cluster, builds: Builds
) -> None:
    dockerfile = """
        FROM busybox
        COPY greeting /files/
        RUN --mount=type=cache,target=/kept cat /proc/sys/kernel/random/uuid | tee /kept/id > /id
        RUN wc -c < /files/greeting > /size
        WORKDIR /files
        """
    image = f"{cluster.registry}/team/{builds.namespace}:1"
    fields = {"context": {"configMap": {"name": "files"}}, "cache": {}}
    kubectl = partial(cluster.kubectl, "-n", builds.namespace)
    kubectl("create", "configmap", "files", "--from-literal=greeting=good morning")
    builds.apply("again", dockerfile, image, **fields)
    first = builds.wait_until_done("again")
    assert first["phase"] == "Succeeded", first["message"]
    assert steps(first) == {"current": 5, "total": 5, "cached": 0, "performed": 4, "missed": 4}
    assert first["steps"]["misses"][0].startswith("COPY greeting /files/: ")
    made = builds.run_pod("first", image, "cat /id")

    kubectl("annotate", "imagebuild/again", "yadokari.dev/rebuild-requested-at=once more")
    wait_until(lambda: builds.status("again").get("rebuildRequestedAt") == "once more")
    second = builds.wait_until_done("again")
    assert second["run"]["number"] == 2
    assert steps(second) == {"current": 5, "total": 5, "cached": 4, "performed": 0, "missed": 0}
    assert "4 of 4 steps from the cache" in second["message"]
    assert builds.run_pod("second", image, "cat /id") == made

    more = dockerfile + "RUN --mount=type=cache,target=/kept cat /kept/id > /kept-id\n"
    builds.apply("again", more, image, **fields)
    third = builds.wait_until_done("again", not_digest=second["output"]["digest"])
    assert steps(third) == {"current": 6, "total": 6, "cached": 4, "performed": 1, "missed": 1}
    assert builds.run_pod("third", image, "cat /kept-id") == made


@contextmanager
def claimed(cluster: Cluster, namespace: str, name: str, folder: Path) -> Iterator[dict[str, str]]:
    """Have a folder of the machine as a volume, for a claim of that name."""
    volume, size = f"{name}-{namespace}", {"storage": "1Gi"}
    common = {"accessModes": ["ReadWriteOnce"], "storageClassName": ""}
    place = {
        "capacity": size,
        "hostPath": {"path": str(folder), "type": "DirectoryOrCreate"},
        "claimRef": {"namespace": namespace, "name": name},
    }
    claim = {"resources": {"requests": size}, "volumeName": volume}
    for kind, called, spec in (
        ("PersistentVolume", volume, place),
        ("PersistentVolumeClaim", name, claim),
    ):
        resource = {"apiVersion": "v1", "kind": kind, "metadata": {"name": called}, "spec": common | spec}
        cluster.kubectl("-n", namespace, "apply", "-f", "-", input=json.dumps(resource))
    try:
        yield {"claimName": name}
    finally:
        cluster.kubectl("delete", "persistentvolume", volume, "--wait=false")


def test_a_volume_keeps_what_cache_mounts_hold_and_what_the_files_of_a_context_are(
    cluster: Cluster, builds: Builds, tmp_path: Path
) -> None:
    image = f"{cluster.registry}/team/{builds.namespace}:1"
    dockerfile = (
        "FROM busybox\nCOPY decoder.py encoder.py /\n"
        "RUN --mount=type=cache,target=/kept cat /kept/id > /id; echo {} > /kept/id\n"
    )
    executor = {"extraArgs": ["--verbosity=debug"]}
    with (
        claimed(cluster, builds.namespace, "caches", tmp_path / "volume") as caches,
        # Files that nobody has changed for a minute.
        claimed(cluster, builds.namespace, "sources", Path(json.__file__).parent) as sources,
    ):
        fields = {
            "cache": {"volumeClaim": {**caches, "subPath": "team/app"}},
            "context": {"persistentVolumeClaim": sources},
        }
        builds.apply("kept", dockerfile.format("one"), image, executor=executor, **fields)
        first = builds.wait_until_done("kept")
        assert first["phase"] == "Succeeded", first["message"]
        assert "the context's files 0 were known, and 2 are from now on" in log_of(cluster, builds, first)
        there = {"nodeSelector": {"kubernetes.io/hostname": first["run"]["node"]}}
        builds.apply("kept", dockerfile.format("two"), image, executor=executor | there, **fields)
        second = builds.wait_until_done("kept", not_digest=first["output"]["digest"])
        assert second["phase"] == "Succeeded", second["message"]
        assert "the context's files 2 were known, and 0 are from now on" in log_of(cluster, builds, second)
        assert builds.run_pod("check", image, "cat /id") == "one\n"


def log_of(cluster: Cluster, builds: Builds, status: dict[str, Any]) -> str:
    return cluster.kubectl("-n", builds.namespace, "logs", status["run"]["pod"])
