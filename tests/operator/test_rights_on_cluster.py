"""Who may do what, as a real API server sees it: people by the built-in roles, and the operator."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.cluster import Cluster, KubectlError
from support.operator_process import Kubectl, wait_until

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("stopped_operator")]

ROOT = Path(__file__).parents[2]


def rights(kubectl: Kubectl, who: str, *asked: str, namespace: str = "") -> list[str]:
    """Tell which of some rights, as VERB RESOURCE, somebody has in a namespace."""
    reviews = [_review(who, namespace or kubectl.namespace, *it.split()) for it in asked]
    form = 'jsonpath={.status.allowed}{"\\n"}'
    answers = kubectl(
        "create", "-f", "-", "-o", form, stdin={"apiVersion": "v1", "kind": "List", "items": reviews}
    )
    return [it for it, answer in zip(asked, answers.splitlines(), strict=True) if answer == "true"]


def _review(who: str, namespace: str, verb: str, resource: str) -> dict[str, Any]:
    plural, _, part = resource.partition("/")
    group = "yadokari.dev" if plural.startswith("imagebuild") else ""
    # Whoever asks for what is of the whole cluster names no namespace.
    namespace = "" if plural == "imagebuildpolicies" else namespace
    asked = {"namespace": namespace, "verb": verb, "group": group, "resource": plural, "subresource": part}
    spec = {"user": who, "resourceAttributes": asked}
    return {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}


@pytest.fixture(scope="module")
def people(kubectl: Kubectl) -> Iterator[None]:
    """A viewer, an editor and an administrator of the namespace, by the roles that every cluster has."""
    roles = str(ROOT / "manifests/roles")
    kubectl("apply", "-k", roles)
    for role in ("view", "edit", "admin"):
        kubectl("create", "rolebinding", role, f"--clusterrole={role}", f"--user={role}")
    # A controller puts the roles together.
    wait_until(lambda: bool(rights(kubectl, "view", "get imagebuilds")))
    wait_until(lambda: bool(rights(kubectl, "admin", "patch imagebuilds")))
    yield
    kubectl("delete", "-k", roles)


@pytest.mark.usefixtures("people")
def test_who_may_view_or_edit_a_namespace_may_do_so_with_its_image_builds(kubectl: Kubectl) -> None:
    reading = [f"{verb} imagebuilds" for verb in ("get", "list", "watch")]
    writing = [f"{verb} imagebuilds" for verb in ("create", "update", "patch", "delete")]
    never = ["update imagebuilds/status", "create imagebuildpolicies", "list imagebuildpolicies"]
    everything = [*reading, *writing, *never]
    assert rights(kubectl, "view", *everything) == reading
    for who in ("edit", "admin"):
        assert rights(kubectl, who, *everything) == [*reading, *writing]
    assert rights(kubectl, "nobody", *everything) == []


def test_the_operator_reads_no_secret_and_has_no_pods_elsewhere(kubectl: Kubectl) -> None:
    operator = f"system:serviceaccount:{kubectl.namespace}:yadokari"
    its = ["get imagebuilds", "get configmaps", "get pods", "create pods", "delete pods"]
    secrets = [f"{verb} secrets" for verb in ("get", "list", "watch", "create", "update", "delete")]
    other = [
        "get pods/exec",
        "create pods/exec",
        "update pods",
        "update imagebuilds",
        "list imagebuildpolicies",
    ]
    assert rights(kubectl, operator, *its, *secrets, *other) == its
    assert rights(kubectl, operator, *its, *secrets, *other, namespace="default") == []


def test_the_operators_pod_is_admitted_where_pod_security_is_restricted(
    cluster: Cluster, kubectl: Kubectl
) -> None:
    namespace = f"{kubectl.namespace}-restricted"
    cluster.kubectl("create", "namespace", namespace)
    try:
        cluster.kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
        rendered = subprocess.run(
            [cluster.bin / "kubectl", "kustomize", ROOT / "kustomize/default"],
            capture_output=True,
            check=True,
        ).stdout
        (template,) = (
            it["spec"]["template"] for it in yaml.safe_load_all(rendered) if it["kind"] == "Deployment"
        )
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "spec": template["spec"] | {"serviceAccountName": "default"},
        }
        pod["metadata"] = {"name": "operator", "namespace": namespace}
        kubectl_create = ("create", "--dry-run=server", "-f", "-")
        cluster.kubectl(*kubectl_create, input=yaml.safe_dump(pod))
        template["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True
        with pytest.raises(KubectlError, match="violates PodSecurity"):
            cluster.kubectl(*kubectl_create, input=yaml.safe_dump(pod))
    finally:
        cluster.kubectl("delete", "namespace", namespace, "--wait=false")
