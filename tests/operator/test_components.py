"""What kustomize/components bring, as kubectl renders it and a real API server takes it."""

import ipaddress
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.cluster import KubectlError
from support.control_plane import ControlPlane
from support.operator_process import Kubectl, wait_until
from support.town import Town
from yadokari_operator.settings import Settings

pytestmark = [pytest.mark.cluster, pytest.mark.api_server]

ROOT = Path(__file__).parents[2]
COMPONENTS = sorted(path.parent.name for path in ROOT.glob("kustomize/components/*/kustomization.yaml"))
NOTHING_OF_THE_OPERATORS = {"name-reference", "network-policy"}
NOT_APPLIED = {
    *("Namespace", "CustomResourceDefinition"),
    *("ServiceMonitor", "PrometheusRule"),  # of an operator that the cluster has not
}

Resource = dict[str, Any]
Render = Callable[..., list[Resource]]


@pytest.fixture(scope="module")
def render(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Render:
    """Render components, over the operator's own kustomization or, for namespaces of builds, alone."""
    folder = tmp_path_factory.mktemp("rendered")

    def rendered(*components: str, **fields: Any) -> list[Resource]:
        def relative(ours: str) -> str:
            return os.path.relpath(ROOT / "kustomize" / ours, folder.resolve())

        with_operator = not NOTHING_OF_THE_OPERATORS.intersection(components)
        kustomization = {
            "resources": [relative("default")] if with_operator else [],
            "components": [relative(f"components/{name}") for name in components],
            **({"namespace": "yadokari-system"} if with_operator else {}),
            **fields,
        }
        (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
        return list(yaml.safe_load_all(control_plane.cluster.kubectl("kustomize", str(folder))))

    return rendered


def one(resources: list[Resource], kind: str, name: str = "") -> Resource:
    (found,) = (
        it for it in resources if it["kind"] == kind and it["metadata"]["name"].startswith(name or "")
    )
    return found


def settings(resources: list[Resource]) -> Settings:
    deployment = one(resources, "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    name = container["envFrom"][0]["configMapRef"]["name"]
    return Settings.from_environment(one(resources, "ConfigMap", name)["data"])


@pytest.mark.parametrize("name", sorted(set(COMPONENTS) - {"name-reference"}))
def test_a_real_server_takes_what_a_component_brings(
    render: Render, control_plane: ControlPlane, name: str
) -> None:
    needed = ("namespaces", name) if name == "user-namespaces" else (name,)
    resources = [it for it in render(*needed) if it["kind"] not in NOT_APPLIED]
    for it in resources:
        # Nothing is made, not even the namespace.
        if it["metadata"].get("namespace"):
            it["metadata"]["namespace"] = "default"
    assert resources
    control_plane.cluster.kubectl(
        "apply", "--dry-run=server", "-f", "-",
        input=json.dumps({"apiVersion": "v1", "kind": "List", "items": resources}),
    )  # fmt: skip


def test_namespaces_bring_the_profile_that_their_setting_names(render: Render) -> None:
    resources = render("namespaces")
    pod = one(resources, "DaemonSet")["spec"]["template"]["spec"]
    (host,) = (it["hostPath"]["path"] for it in pod["volumes"] if "hostPath" in it)
    (profile,) = (it["configMap"]["name"] for it in pod["volumes"] if "configMap" in it)
    assert f"{host}/namespaces.json" == (
        f"/var/lib/kubelet/seccomp/{settings(resources).executor_seccomp_profile}"
    )
    assert json.loads(one(resources, "ConfigMap", profile)["data"]["namespaces.json"])["defaultAction"]


def test_who_writes_the_profile_may_do_nothing_else_to_the_node(render: Render) -> None:
    pod = one(render("namespaces"), "DaemonSet")["spec"]["template"]["spec"]
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
    assert pod["automountServiceAccountToken"] is False
    context = pod["containers"][0]["securityContext"]
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert (context["readOnlyRootFilesystem"], context["allowPrivilegeEscalation"]) == (True, False)


def test_the_image_of_the_executor_is_replaced_there_too(render: Render) -> None:
    images = [{"name": "yadokari/executor", "newName": "r.test/e", "newTag": "2"}]
    pod = one(render("namespaces", images=images), "DaemonSet")["spec"]["template"]["spec"]
    assert pod["containers"][0]["image"] == "r.test/e:2"


def test_user_namespaces_are_a_setting_beside_those(render: Render) -> None:
    found = settings(render("namespaces", "user-namespaces"))
    assert (found.executor_host_users, found.executor_proc_mount) == ("false", "Unmasked")


@pytest.fixture(scope="module")
def network(render: Render) -> Resource:
    """The policy for what executors reach."""
    return one(render("network-policy"), "NetworkPolicy")


def reaches(policy: Resource, address: str, port: int = 443) -> bool:
    """Whether the policy's CIDRs let an executor reach an address by TCP; DNS goes by labels."""
    target = ipaddress.ip_address(address)
    return any(
        {"protocol": "TCP", "port": port} in rule["ports"]
        and target in ipaddress.ip_network(to["ipBlock"]["cidr"])
        and not any(target in ipaddress.ip_network(hole) for hole in to["ipBlock"]["except"])
        for rule in policy["spec"]["egress"]
        for to in rule["to"]
        if "ipBlock" in to and ipaddress.ip_network(to["ipBlock"]["cidr"]).version == target.version
    )


@pytest.mark.parametrize(
    ("address", "reached"),
    [
        *((it, True) for it in ("1.1.1.1", "140.82.121.3", "172.15.0.1", "172.32.0.1", "2606:4700::1111")),
        *((it, True) for it in ("64:ff9b::101:101", "100.63.255.255", "169.253.0.1")),
        *((it, False) for it in ("169.254.169.254", "169.254.170.2", "fd00:ec2::254", "fe80::1")),
        *((it, False) for it in ("10.0.0.1", "10.96.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1")),
        *((it, False) for it in ("100.64.0.1", "100.100.100.200", "127.0.0.1", "::1", "fd12::1")),
        *((it, False) for it in ("168.63.129.16", "0.0.0.0", "224.0.0.1", "255.255.255.255", "ff02::1")),
        *((it, False) for it in ("::ffff:169.254.169.254", "::ffff:10.0.0.1", "64:ff9b::169.254.169.254")),
        *((it, False) for it in ("64:ff9b::10.0.0.1", "64:ff9b::192.168.0.1", "64:ff9b::127.0.0.1")),
        *(
            (it, False)
            for it in ("64:ff9b::172.31.0.1", "64:ff9b::100.100.100.200", "64:ff9b::168.63.129.16")
        ),
    ],
)
def test_executors_reach_what_is_public_and_nothing_of_the_cluster_or_the_cloud(
    network: Resource, address: str, reached: bool
) -> None:
    assert reaches(network, address) is reached
    assert not reaches(network, address, port=6443)


def test_the_policy_is_for_executors_alone_and_lets_nobody_in(network: Resource) -> None:
    spec = network["spec"]
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in spec
    assert spec["podSelector"]["matchLabels"] == {"app.kubernetes.io/managed-by": "yadokari"}


class Bounds:
    """The admission policy on a real server, with what an administrator set for one namespace."""

    def __init__(self, kubectl: Kubectl) -> None:
        self._kubectl = kubectl

    def set(self, **data: str) -> None:
        """Set what may be, as an administrator does by the ConfigMap."""
        metadata = {"name": "yadokari-policy"}
        manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
        self._kubectl("apply", "-f", "-", stdin=manifest)
        # The server takes its time to see it; it says what it goes by.
        shown = ", ".join(data.get("registries", "").split()) or "no registry yet"
        wait_until(lambda: f"images may go to {shown} only" in self.refusal("elsewhere.test/a"), seconds=40)

    def forget(self) -> None:
        """Take away what an administrator set."""
        self._kubectl("delete", "configmap", "yadokari-policy")
        wait_until(lambda: "no params found" in self.refusal("elsewhere.test/a"), seconds=40)

    def refusal(self, *images: str, cache: Resource | None = None, **executor: Any) -> str:
        """Why an ImageBuild is refused; nothing if it is not."""
        spec = {
            "dockerfile": "FROM busybox",
            "destinations": [{"image": image} for image in images],
            **({"executor": executor} if executor else {}),
            **({} if cache is None else {"cache": cache}),
        }
        head = {"apiVersion": "yadokari.dev/v1alpha1", "kind": "ImageBuild", "metadata": {"name": "bounded"}}
        try:
            self._kubectl("create", "--dry-run=server", "-f", "-", stdin=head | {"spec": spec})
        except KubectlError as error:
            return error.complaint
        return ""


@pytest.fixture(scope="module")
def kubectl(found: Callable[[str], Town]) -> Kubectl:
    """In a namespace where the operator is installed and none works."""
    return found("bounded").kubectl


@pytest.fixture
def bounds(kubectl: Kubectl, render: Render) -> Iterator[Bounds]:
    """The policy, for the namespace alone.

    It stays, without effect on namespaces that do not ask for it: an API server (1.34) that once had such a
    policy and has none any more finds no ConfigMap for later ones until it starts anew.
    """
    resources = render("admission")
    policy = one(resources, "ValidatingAdmissionPolicy", "yadokari-imagebuilds")
    binding = one(resources, "ValidatingAdmissionPolicyBinding")
    for it in (policy, binding):
        it["metadata"]["name"] = "yadokari-test"
    # Without a namespace, the ConfigMap is that of the ImageBuild's own.
    binding["spec"] |= {
        "policyName": "yadokari-test",
        "paramRef": {"name": "yadokari-policy", "parameterNotFoundAction": "Deny"},
        "matchResources": {"namespaceSelector": {"matchLabels": {"yadokari-test": "bounded"}}},
    }
    kubectl("apply", "-f", "-", stdin={"apiVersion": "v1", "kind": "List", "items": [policy, binding]})
    kubectl("label", "namespace", kubectl.namespace, "yadokari-test=bounded", "--overwrite")
    yield Bounds(kubectl)
    kubectl("label", "namespace", kubectl.namespace, "yadokari-test-")
    kubectl("delete", "configmap", "yadokari-policy", "--ignore-not-found")


def test_an_administrator_says_where_images_may_go(bounds: Bounds) -> None:
    bounds.set(registries="registry.example.com/team/ docker.io/me other.test:5000")
    for image in (
        *("registry.example.com/team/app:1", "Registry.Example.com/team/deep/app", "other.test:5000/a"),
        *("me/app", "docker.io/me/app:2", "index.docker.io/me/app"),
    ):
        assert bounds.refusal(image) == "", image
    for image in (
        *(
            "registry.example.com/team",
            "registry.example.com/teams/app",
            "other.test/a",
            "other.test:50001/a",
        ),
        *(
            "nginx",
            "you/app",
            "docker.io/mean/app",
            "localhost/me/app",
            "evil.test/registry.example.com/team/a",
        ),
    ):
        assert "images may go to registry.example.com/team/, docker.io/me" in bounds.refusal(image), image
    assert "change destinations" in bounds.refusal("me/app", "evil.test/app")


def test_an_administrator_says_where_caches_may_go(bounds: Bounds) -> None:
    bounds.set(registries="docker.io/me r.test/app")
    for cache in ({}, {"registry": {"ttl": "1h"}}, {"registry": {"image": "me/cache"}}):
        assert bounds.refusal("r.test/app:1", cache=cache) == "", cache
    for image in ("you/cache", "r.test/cache", "evil.test/me/cache"):
        refusal = bounds.refusal("r.test/app:1", cache={"registry": {"image": image}})
        assert "change destinations or cache.registry.image" in refusal, image


def test_nothing_is_allowed_where_nothing_was_set(bounds: Bounds) -> None:
    bounds.set()
    assert "no registry yet" in bounds.refusal("nginx")


def test_executor_images_and_nodes_are_the_administrators_unless_he_says_otherwise(bounds: Bounds) -> None:
    bounds.set(registries="r.test")
    assert bounds.refusal("r.test/a", resources={"limits": {"memory": "1Gi"}}) == ""
    assert "neither executor image nor account may be named" in bounds.refusal(
        "r.test/a", image="evil.test/executor"
    )
    assert "nodes cannot be chosen" in bounds.refusal("r.test/a", nodeSelector={"a": "b"})
    assert "nodes cannot be chosen" in bounds.refusal("r.test/a", tolerations=[{"operator": "Exists"}])
    bounds.set(registries="r.test  again.test", customExecutors="true", placement="true")
    assert bounds.refusal("r.test/a", image="evil.test/executor", nodeSelector={"a": "b"}) == ""


def test_nothing_can_be_built_before_an_administrator_says_what_may_be(bounds: Bounds) -> None:
    bounds.set(registries="r.test")
    bounds.forget()
    assert "no params found" in bounds.refusal("r.test/a")


def test_the_policy_that_cannot_be_evaluated_refuses(render: Render) -> None:
    resources = render("admission")
    binding = one(resources, "ValidatingAdmissionPolicyBinding")
    assert binding["spec"]["paramRef"] == {
        "name": "yadokari-policy",
        "namespace": "yadokari-system",
        "parameterNotFoundAction": "Deny",
    }
    policy = one(resources, "ValidatingAdmissionPolicy", "yadokari-imagebuilds")
    assert policy["spec"]["failurePolicy"] == "Fail"
