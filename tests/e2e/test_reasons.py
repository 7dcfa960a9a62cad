"""Every reason made for real, all of them at once, and what docs say of it beside what is seen.

What is seen is what people look at: `kubectl get`, `kubectl describe` and the plugin.
"""

import json
import re
import subprocess
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from support.cluster import Cluster
from support.flux import definitions
from support.installation import Installation
from support.operator_process import says
from support.pages import DOCS, read_table, spans
from support.plugin import Plugin
from support.unkind import unkind_server
from yadokari_contract.reasons import Reason
from yadokari_contract.results.build import BuildResult, Failure

pytestmark = pytest.mark.cluster

PATIENCE = 120
SLEEPS = "FROM busybox\nRUN sleep 600\n"
QUICK = "FROM busybox\nWORKDIR /x\n"
# Long enough for everybody to see that it is being built.
UNHURRIED = "FROM busybox\nRUN sleep 3\n"
BROKEN = f"{says(BuildResult(failure=Failure(Reason.INTERNAL_ERROR, 'a mistake: KeyError')))}exit 30\n"
"""What the executor would leave; no way is known to have it do so, and a script does in its place."""
POOL = {"pool": "builds"}
"""Of which the installation lets one build run at a time, and no node has it."""
GPU = "example.com/gpu"

FOREIGN = [
    {"key": key, "operator": "Exists"}
    for key in ("node", "node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
]

WRONG: Mapping[str, tuple[str | None, dict[str, Any]]] = {
    "Succeeded": (UNHURRIED, {}),
    "Pushing": (QUICK, {"destinations": [{"image": "UNKIND/stalling/app:1", "insecure": True}]}),
    "DockerfileInvalid": ("FROM busybox\nFORM x\n", {}),
    "StepFailed": ("FROM busybox\nRUN echo making; \\\n    exit 7\n", {}),
    "BaseImageNotFound": ("FROM REGISTRY/library/busybox:no-such-tag\n", {}),
    "ImageInvalid": (
        "FROM UNKIND/broken/base:1\n",
        {"executor": {"extraArgs": ["--insecure-registry=UNKIND"]}},
    ),
    "ContextFailed": (QUICK, {"context": {"http": {"url": "http://UNKIND/app.tar"}}}),
    "InvalidArguments": (QUICK, {"executor": {"isolation": "Namespaces"}}),
    "RegistryUnauthorized": (
        QUICK,
        {"destinations": [{"image": "UNKIND/refusing/app:1", "insecure": True}]},
    ),
    "RegistryError": (
        "FROM UNKIND/failing/base:1\n",
        {"retries": 0, "executor": {"extraArgs": ["--insecure-registry=UNKIND"]}},
    ),
    "PushFailed": (
        QUICK,
        {"retries": 0, "destinations": [{"image": "UNKIND/failing/app:1", "insecure": True}]},
    ),
    "DownloadFailed": ("FROM scratch\nADD http://UNKIND/failing/file /\n", {"retries": 0}),
    "ConfigMapNotFound": (None, {"dockerfileFrom": {"configMapKeyRef": {"name": "source"}}}),
    "SecretNotFound": (
        QUICK,
        {"destinations": [{"image": "REGISTRY/NAMESPACE/x:1", "pushSecretRef": {"name": "registry-login"}}]},
    ),
    "SourceNotFound": (QUICK, {"context": {"fluxSource": {"kind": "GitRepository", "name": "app"}}}),
    "SourceNotReady": (QUICK, {"context": {"fluxSource": {"kind": "GitRepository", "name": "waiting"}}}),
    "QuotaExceeded": (QUICK, {"executor": {"resources": {"limits": {GPU: 1}}}}),
    "AdmissionDenied": (
        QUICK,
        {
            "executor": {
                "annotations": {"container.apparmor.security.beta.kubernetes.io/executor": "unconfined"}
            }
        },
    ),
    "PolicyViolation": (QUICK, {"priority": 7}),
    "InvalidSpec": (QUICK, {"executor": {"resources": {"limits": {GPU: "500m"}}}}),
    "Unschedulable": (QUICK, {"executor": {"nodeSelector": POOL}}),
    "ImagePullFailed": (QUICK, {"executor": {"image": "registry.invalid/executor:1"}}),
    "PodPending": (
        QUICK,
        {"executor": {"image": "REGISTRY/library/busybox:latest", "runtime": "ImageVolume"}},
    ),
    "ExecutorFailed": (
        QUICK,
        {"executor": {"image": "REGISTRY/library/busybox:latest", "runtime": "InitContainer"}},
    ),
    "InternalError": (BROKEN, {"executor": {"image": "STAND-IN", "runtime": "InitContainer"}}),
    "OOMKilled": (
        "FROM busybox\nRUN tail /dev/zero\n",
        {"executor": {"resources": {"limits": {"memory": "256Mi"}}}},
    ),
    "DiskLimitExceeded": (
        "FROM busybox\nRUN dd if=/dev/zero of=/x bs=1M count=200; sleep 600\n",
        {"executor": {"resources": {"limits": {"ephemeral-storage": "64Mi"}}}},
    ),
    "Timeout": (SLEEPS, {"timeout": "20s"}),
    "Suspended": (QUICK, {"suspend": True}),
    "Evicted": (SLEEPS, {}),
    "Cancelled": (SLEEPS, {}),
    "PodRejected": (SLEEPS, {}),
    "NodeLost": (QUICK, {"executor": {"nodeSelector": {"node": "NAMESPACE"}, "tolerations": FOREIGN}}),
    "ChangeForbidden": ("FROM busybox\nRUN sleep 15\n", {"concurrencyPolicy": "Forbid"}),
}
LATER: Mapping[str, tuple[str | None, dict[str, Any]]] = {
    "UpToDate": (UNHURRIED, {"timeout": "2h"}),
    "AlreadyPushed": (UNHURRIED, {"destinations": [{"image": "REGISTRY/NAMESPACE/succeeded:1"}]}),
    "Queued": (QUICK, {"executor": {"nodeSelector": POOL}}),
}
"""What is applied when others are as they are to be."""


LOOKS: Mapping[str, tuple[str, ...]] = {
    "Unknown Pending": ("Queued", "Scheduling", "Pulling"),
    "Unknown Building": ("Building", "Pushing"),
    "True Succeeded": ("Succeeded", "UpToDate", "AlreadyPushed"),
    "False Succeeded": ("ChangeForbidden",),
    "False Suspended": ("Suspended",),
    "False Retrying": ("Evicted", "Cancelled", "NodeLost"),
    "False Pending": (
        "ConfigMapNotFound", "SecretNotFound", "SourceNotFound", "SourceNotReady", "QuotaExceeded",
        "AdmissionDenied", "PodRejected", "Unschedulable", "ImagePullFailed", "PodPending",
    ),
    "False Failed": (
        "DockerfileInvalid", "StepFailed", "BaseImageNotFound", "ContextFailed", "InvalidArguments",
        "RegistryUnauthorized", "RegistryError", "PushFailed", "DownloadFailed", "PolicyViolation",
        "InvalidSpec", "ImageInvalid", "OOMKilled", "DiskLimitExceeded", "Timeout", "ExecutorFailed",
        "InternalError",
    ),
}  # fmt: skip
"""By what `kubectl get` says under READY and STATUS, the reasons."""
LOOK_OF = {reason: look for look, reasons in LOOKS.items() for reason in reasons}
SHARED = "DestinationShared"
"""A condition of its own, beside the others."""
WORDS: Mapping[str, tuple[str, ...]] = {
    "Queued": ("number 1 of 1 in the queue",),
    "AlreadyPushed": ("was there already, with digest sha256:",),
    "DockerfileInvalid": ("Dockerfile:2: unknown instruction: FORM",),
    "StepFailed": ("Dockerfile:2: ", "exit code: 7"),
    "BaseImageNotFound": ("Dockerfile:1: ", "no-such-tag"),
    "InvalidArguments": ("--isolation=namespaces cannot be had: unshare", "the pod needs a seccomp profile"),
    "PolicyViolation": ("spec.priority is 7: it may be 0 at most",),
    "Evicted": ("EvictionByEvictionAPI",),
    "NodeLost": ("DeletionByTaintManager",),
    "OOMKilled": ("Dockerfile:2: ", "a process of the step was killed", "its limit of 256Mi"),
    "PodRejected": ("belongs to something else",),
    "ImageInvalid": ("Dockerfile:1: ", "/broken/base"),
    "SecretNotFound": ('secret "registry-login" not found',),
}
"""What its Event says, among other things."""
_OF_SUCCEEDED = ("Scheduling", "Pulling", "Building", "UpToDate")
_RUNBOOK = (DOCS / "runbook.md").read_text()


def name_of(reason: str) -> str:
    return "succeeded" if reason in _OF_SUCCEEDED else reason.lower()


class Street:
    """A namespace with ImageBuilds that go wrong in every way, and all that `kubectl get -w` said of them."""

    def __init__(self, cluster: Cluster, namespace: str, unkind: str, stand_in: str, folder: Path) -> None:
        self.cluster, self.namespace, self._unkind = cluster, namespace, unkind
        self._stand_in = stand_in
        self._seen = folder / "seen"
        self.began = time.monotonic()

    def kubectl(self, *arguments: str, stdin: Any = None) -> str:
        text = None if stdin is None else json.dumps(stdin)
        return self.cluster.kubectl("-n", self.namespace, *arguments, input=text)

    def build(self, reason: str, dockerfile: str | None, spec: dict[str, Any]) -> dict[str, Any]:
        name = name_of(reason)
        made = {
            "apiVersion": "yadokari.dev/v1alpha1",
            "kind": "ImageBuild",
            "metadata": {"name": name},
            "spec": {
                **({} if dockerfile is None else {"dockerfile": dockerfile}),
                "destinations": [{"image": f"REGISTRY/NAMESPACE/{name}:1"}],
                **spec,
            },
        }
        text = json.dumps(made).replace("UNKIND", self._unkind).replace("REGISTRY", self.cluster.registry)
        text = text.replace("NAMESPACE", self.namespace).replace("STAND-IN", self._stand_in)
        found: dict[str, Any] = json.loads(text)
        return found

    def apply(self, *made: dict[str, Any]) -> None:
        self.kubectl("apply", "-f", "-", stdin={"apiVersion": "v1", "kind": "List", "items": made})

    def watch(self, held: ExitStack) -> None:
        """Note what `kubectl get` says, now and at each change."""
        command = [
            str(self.cluster.bin / "kubectl"),
            "-n",
            self.namespace,
            "get",
            "imagebuilds",
            "-w",
        ]
        environment = {"KUBECONFIG": str(self.cluster.kubeconfig), "KUBECACHEDIR": "/dev/null"}
        process = subprocess.Popen(command, stdout=held.enter_context(self._seen.open("wb")), env=environment)
        held.callback(process.wait)
        held.callback(process.kill)

    def rows(self, name: str) -> list[str]:
        """All that was said of an ImageBuild."""
        return [line for line in self._seen.read_text().splitlines() if line.split()[:1] == [name]]

    def comes_to(self, name: str, reason: str) -> bool:
        """Wait for a reason, until it is late."""
        while not any(reason in row.split() for row in self.rows(name)):
            if time.monotonic() - self.began > PATIENCE:
                return False
            time.sleep(0.2)
        print(f"{time.monotonic() - self.began:.0f} s: {name} {reason}")
        return True

    def pod(self, name: str) -> str:
        return self.kubectl("get", "imagebuild", name, "-o", "jsonpath={.status.run.pod}")

    def plain(self, text: str) -> str:
        """Leave out what is another one each time."""
        text = text.replace(self._unkind, "registry.example.com").replace(
            self.cluster.registry, "registry.test"
        )
        text = re.sub(r"\d+/\d+ nodes are available: \d+", "N nodes are available: N", text)
        return " ".join(re.sub(r"-[0-9a-f]{10}-", "-RUN-", text).split())


@dataclass(frozen=True, slots=True)
class Views:
    """What people see in the end of each ImageBuild, by kubectl and the plugin; what that says of reasons."""

    described: Mapping[str, str]
    of_plugin: Mapping[str, str]
    explained: Mapping[str, str]


def by_name(text: str) -> dict[str, str]:
    """Part the descriptions of many."""
    parts = re.split(r"(?m)^Name:\s+", text)[1:]
    return {part.split("\n", 1)[0]: part for part in parts}


@pytest.fixture(scope="module")
def street(
    cluster: Cluster,
    installation: Installation,
    stand_in: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Street]:
    """All ImageBuilds, each with its reason."""
    namespace = f"reasons-{uuid.uuid4().hex[:8]}"
    address = cluster.registry.rpartition(":")[0]
    with ExitStack() as held:
        try:
            unkind = held.enter_context(unkind_server(address))
        except OSError:
            pytest.skip(f"{address} is not this machine's: there is no server here that pods reach")
        made = Street(cluster, namespace, unkind, stand_in, tmp_path_factory.mktemp("reasons"))
        cluster.kubectl("create", "namespace", namespace)
        held.callback(cluster.kubectl, "delete", "namespace", namespace, "--wait=false")
        prepare(made, held)
        made.watch(held)
        made.apply(*(made.build(reason, *wrong) for reason, wrong in WRONG.items()))
        go_on(made)
        yield made


def prepare(street: Street, held: ExitStack) -> None:
    """Make what refuses pods, and a node that nobody is on."""
    name = street.namespace
    street.kubectl("label", "namespace", name, "pod-security.kubernetes.io/enforce=baseline")
    quota = {"metadata": {"name": "builds"}, "spec": {"hard": {f"requests.{GPU}": "0"}}}
    here = {"matchLabels": {"kubernetes.io/metadata.name": name}}
    policy = {
        "apiVersion": "yadokari.dev/v1alpha1",
        "kind": "ImageBuildPolicy",
        "metadata": {"name": name},
        "spec": {"namespaceSelector": here, "bounds": {"priority": 0}},
    }
    node = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"node": name}},
        # For nobody else.
        "spec": {"taints": [{"key": "node", "effect": "NoSchedule"}]},
    }
    street.apply({"apiVersion": "v1", "kind": "ResourceQuota", **quota}, policy, node)
    for file in definitions():
        street.kubectl("apply", "--server-side", "-f", str(file))
    source = {"url": "https://git.example.com/team/app.git", "interval": "5m"}
    street.apply(
        {
            "apiVersion": "source.toolkit.fluxcd.io/v1",
            "kind": "GitRepository",
            "metadata": {"name": "waiting"},
            "spec": source,
        }
    )
    held.callback(
        street.cluster.kubectl, "delete", f"imagebuildpolicy/{name}", f"node/{name}", "--wait=false"
    )
    size = {"cpu": "1", "memory": "1Gi", "pods": "9", "ephemeral-storage": "9Gi"}
    room = json.dumps({"status": {"capacity": size, "allocatable": size}})
    street.kubectl("patch", "node", name, "--subresource=status", "-p", room)


def go_on(street: Street) -> None:
    """Do what takes builds that run, or have come to something."""
    if street.comes_to("changeforbidden", "Building"):
        street.apply(street.build("ChangeForbidden", QUICK, {"concurrencyPolicy": "Forbid"}))
    if street.comes_to("evicted", "Building"):
        pod = street.pod("evicted")
        eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod}}
        path = f"/api/v1/namespaces/{street.namespace}/pods/{pod}/eviction"
        street.kubectl("create", "--raw", path, "-f", "-", stdin=eviction)
    if street.comes_to("cancelled", "Building"):
        street.kubectl("delete", "pod", street.pod("cancelled"), "--wait=false")
    if street.comes_to("podrejected", "Building"):
        take_a_name(street)
    if street.comes_to("nodelost", "Scheduling"):
        lose_a_node(street)
    if street.comes_to("succeeded", "Succeeded"):
        street.apply(*(street.build(reason, *LATER[reason]) for reason in ("AlreadyPushed", "UpToDate")))
    if street.comes_to("unschedulable", "Unschedulable"):
        street.apply(street.build("Queued", *LATER["Queued"]))
    for reason in LOOK_OF:
        street.comes_to(name_of(reason), reason)
    # Events follow what they tell of.
    time.sleep(1)


def take_a_name(street: Street) -> None:
    """Have somebody else's pod, which no node takes, bear the name of a build's second attempt."""
    first = street.pod("podrejected")
    spec = {"nodeSelector": POOL, "containers": [{"name": "it", "image": "registry.invalid/it:1"}]}
    name = {"name": first.removesuffix("1") + "2"}
    street.apply({"apiVersion": "v1", "kind": "Pod", "metadata": name, "spec": spec})
    street.kubectl("delete", "pod", first, "--wait=false")


def lose_a_node(street: Street) -> None:
    """Have the pod of a build be on a node that nobody is on, and say what is said of one that is lost."""
    street.kubectl(
        "wait", f"pod/{street.pod('nodelost')}", f"--for=jsonpath={{.spec.nodeName}}={street.namespace}",
        "--timeout=30s",
    )  # fmt: skip
    street.kubectl("taint", "node", street.namespace, "node.kubernetes.io/out-of-service=lost:NoExecute")


@pytest.fixture(scope="module")
def views(street: Street) -> Views:
    names = sorted({name_of(reason) for reason in LOOK_OF})
    plugin = Plugin.of(street.cluster, street.namespace)
    explained = (line.partition(" ") for line in plugin("explain").out.splitlines())
    return Views(
        by_name(street.kubectl("describe", "imagebuilds")),
        by_name(plugin("describe", *names).out),
        {reason: rest.strip() for reason, _, rest in explained},
    )


DOCUMENTED = {
    reason: tuple(cells)
    for reasons, *cells in read_table("imagebuild.md", "Reasons").rows
    for reason in spans(reasons)
}


def test_every_reason_is_made_here() -> None:
    assert LOOK_OF.keys() | {SHARED} == DOCUMENTED.keys()


@pytest.mark.parametrize("reason", LOOK_OF)
def test_a_reason_is_seen_in_each_view_as_the_docs_have_it(street: Street, views: Views, reason: str) -> None:
    name, to_do = name_of(reason), DOCUMENTED[reason][2]
    rows = [row.split() for row in street.rows(name)]
    assert [row[1:3] for row in rows if reason in row[3:] or row[2:3] == [reason]][:1] == [
        LOOK_OF[reason].split()
    ]
    kind = "Warning" if LOOK_OF[reason].startswith("False") else "Normal"
    begin = rf"(?m)^\s+{kind}\s+{reason}\s+\S+( \(.*?\))?\s+yadokari\s+"
    event = re.split(begin, views.described[name].partition("\nEvents:")[2], maxsplit=1)[-1]
    event = re.split(r"(?m)^\s+(?:Normal|Warning)\s", event)[0]
    (shown,) = re.findall(rf"(?m)^  {kind}\s+{reason}\s+\S+\s+(.*)$", views.of_plugin[name])
    for said in (event, shown):
        assert all(word in said for word in WORDS.get(reason, ())), said
        assert f"what to do: {to_do}" in said if to_do and kind == "Warning" else "what to do" not in said
    assert views.explained[reason].endswith(to_do or views.explained[reason])
    if (status := re.search(r"(?m)^Status:\s+\S+ \((\w+)\)$", views.of_plugin[name])) and status[1] == reason:
        assert not to_do or re.search(rf"(?m)^ *What to do:\s+{re.escape(to_do)}$", views.of_plugin[name])


@pytest.mark.parametrize(
    "reason", [it for it in LOOK_OF if f"describe imagebuild {it.lower()}\n" in _RUNBOOK]
)
def test_the_runbook_shows_what_is_seen(street: Street, views: Views, reason: str) -> None:
    name, quoted = name_of(reason), street.plain(_RUNBOOK)
    assert street.plain(f"{name} {LOOK_OF[reason]} {reason}") in quoted
    (event,) = re.findall(rf"(?m)^\s+Warning\s+{reason}\s.*? yadokari\s+(.*)$", views.described[name])
    # What the cluster itself says goes on in other words with each version.
    assert " ".join(street.plain(event).split()[:6]) in quoted
    (status,) = re.findall(r"(?m)^Status:.*$", views.of_plugin[name])
    if f"({reason})" in status:
        advice = re.findall(r"(?m)^ *What to do:.*$", views.of_plugin[name])
        assert all(street.plain(line) in quoted for line in (status, *advice))


def test_two_image_builds_with_one_destination_both_say_so(views: Views) -> None:
    to_do = re.escape(DOCUMENTED[SHARED][2])
    for name, other in (("succeeded", "alreadypushed"), ("alreadypushed", "succeeded")):
        for described in (views.described, views.of_plugin):
            _, _, events = described[name].partition("\nEvents:")
            shown = rf"(?m)^\s+Warning\s+{SHARED} .* ImageBuild {other}, too: .*; what to do: {to_do}$"
            assert re.search(shown, events), events
    assert views.explained[SHARED].endswith(DOCUMENTED[SHARED][2])
