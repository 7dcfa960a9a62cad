"""What people apply, as kubectl renders it."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from yadokari_operator.models.spec import ImageBuildSpec
from yadokari_operator.settings import Settings

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")

Resources = dict[tuple[str, str], dict[str, Any]]


def rendered(folder: Path) -> Resources:
    result = subprocess.run(["kubectl", "kustomize", folder], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return {
        (resource["kind"], resource["metadata"]["name"]): resource
        for resource in yaml.safe_load_all(result.stdout)
    }


def overlay(folder: Path, base: str, **fields: Any) -> Resources:
    # kustomize takes relative folders only.
    up = "../" * (len(folder.resolve().parts) - 1)
    kustomization = {"resources": [f"{up}{ROOT / base}".replace("//", "/")], **fields}
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    return rendered(folder)


def kinds(resources: Resources) -> list[str]:
    return sorted(kind for kind, _ in resources)


def operator_env(resources: Resources) -> dict[str, str]:
    deployment = resources["Deployment", "yadokari"]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    settings: dict[str, str] = next(
        resource["data"] for (kind, _), resource in resources.items() if kind == "ConfigMap"
    )
    return settings | {entry["name"]: entry.get("value", "") for entry in container["env"]}


def test_the_default_installation_serves_the_whole_cluster() -> None:
    assert kinds(rendered(ROOT / "kustomize/default")) == [
        "ClusterRole",
        "ClusterRoleBinding",
        "ConfigMap",
        "CustomResourceDefinition",
        "Deployment",
        "Namespace",
        "ServiceAccount",
    ]


def test_the_namespaced_installation_has_no_right_beyond_its_namespace() -> None:
    resources = rendered(ROOT / "kustomize/namespaced")
    assert kinds(resources) == [
        "ConfigMap",
        "CustomResourceDefinition",
        "Deployment",
        "Role",
        "RoleBinding",
        "ServiceAccount",
    ]
    assert "YADOKARI_NAMESPACE" in operator_env(resources)


@pytest.mark.parametrize(("folder", "kind"), [("default", "ClusterRole"), ("namespaced", "Role")])
def test_the_operator_may_do_what_it_does_and_no_more(folder: str, kind: str) -> None:
    role = rendered(ROOT / "kustomize" / folder)[kind, "yadokari"]
    rights = {
        f"{resource} {verb}"
        for rule in role["rules"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    assert not [right for right in rights if "secrets" in right or "*" in right]
    assert "imagebuilds/status update" in rights
    assert "imagebuilds update" not in rights
    assert "pods/exec create" not in rights


def test_the_rights_are_bound_to_the_operators_account() -> None:
    resources = rendered(ROOT / "kustomize/default")
    binding = resources["ClusterRoleBinding", "yadokari"]
    assert binding["roleRef"] == {
        "apiGroup": "rbac.authorization.k8s.io",
        "kind": "ClusterRole",
        "name": "yadokari",
    }
    assert binding["subjects"] == [
        {"kind": "ServiceAccount", "name": "yadokari", "namespace": "yadokari-system"}
    ]


def test_the_operators_pod_meets_the_restricted_standard() -> None:
    resources = rendered(ROOT / "kustomize/default")
    pod = resources["Deployment", "yadokari"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_the_manifests_settings_are_the_defaults() -> None:
    assert Settings.from_environment(operator_env(rendered(ROOT / "kustomize/default"))) == Settings()


def test_an_overlay_replaces_both_images(tmp_path: Path) -> None:
    resources = overlay(
        tmp_path,
        "kustomize/default",
        images=[
            {"name": "yadokari/operator", "newName": "r.test/o", "newTag": "2"},
            {"name": "yadokari/executor", "newName": "r.test/e", "digest": "sha256:" + "0" * 64},
        ],
    )
    pod = resources["Deployment", "yadokari"]["spec"]["template"]["spec"]
    assert pod["containers"][0]["image"] == "r.test/o:2"
    assert operator_env(resources)["YADOKARI_EXECUTOR_IMAGE"] == "r.test/e@sha256:" + "0" * 64


def test_an_overlay_changes_settings_and_the_operator_starts_anew(tmp_path: Path) -> None:
    before = rendered(ROOT / "kustomize/default")
    after = overlay(
        tmp_path,
        "kustomize/default",
        namespace="yadokari-system",
        configMapGenerator=[
            {
                "name": "yadokari",
                "behavior": "merge",
                "literals": ["YADOKARI_INSECURE_REGISTRIES=r.test:5000"],
            }
        ],
    )
    assert operator_env(after)["YADOKARI_INSECURE_REGISTRIES"] == "r.test:5000"
    assert operator_env(after)["YADOKARI_LOG_LEVEL"] == "info"
    assert before["Deployment", "yadokari"] != after["Deployment", "yadokari"]


def test_an_overlay_moves_the_namespaced_installation(tmp_path: Path) -> None:
    resources = overlay(tmp_path, "kustomize/namespaced", namespace="team")
    assert resources["Deployment", "yadokari"]["metadata"]["namespace"] == "team"
    assert resources["RoleBinding", "yadokari"]["subjects"][0]["namespace"] == "team"


def test_generated_names_reach_an_image_build(tmp_path: Path) -> None:
    up = "../" * (len(tmp_path.resolve().parts) - 1)
    build = {
        "apiVersion": "yadokari.dev/v1alpha1",
        "kind": "ImageBuild",
        "metadata": {"name": "app"},
        "spec": {
            "dockerfileFrom": {"configMapKeyRef": {"name": "source"}},
            "context": {"configMap": {"name": "files"}},
            "pullSecretRefs": [{"name": "pull"}],
            "destinations": [{"image": "a", "pushSecretRef": {"name": "push"}}, {"image": "b"}],
        },
    }
    (tmp_path / "build.yaml").write_text(yaml.safe_dump(build))
    kustomization = {
        "namePrefix": "dev-",
        "resources": ["build.yaml"],
        "components": [f"{up}{ROOT}/kustomize/components/name-reference".replace("//", "/")],
        "configMapGenerator": [
            {"name": name, "literals": ["Dockerfile=FROM a"]} for name in ("source", "files")
        ],
        "secretGenerator": [{"name": name, "literals": ["a=b"]} for name in ("pull", "push")],
    }
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    resources = rendered(tmp_path)
    spec = resources["ImageBuild", "dev-app"]["spec"]
    assert ("ConfigMap", spec["dockerfileFrom"]["configMapKeyRef"]["name"]) in resources
    assert ("ConfigMap", spec["context"]["configMap"]["name"]) in resources
    assert ("Secret", spec["pullSecretRefs"][0]["name"]) in resources
    assert ("Secret", spec["destinations"][0]["pushSecretRef"]["name"]) in resources


@pytest.mark.parametrize(
    "folder", sorted(path.parent.name for path in ROOT.glob("examples/*/kustomization.yaml"))
)
def test_every_example_is_valid(folder: str) -> None:
    resources = rendered(ROOT / "examples" / folder)
    builds = [resource for (kind, _), resource in resources.items() if kind == "ImageBuild"]
    assert builds
    for build in builds:
        assert ImageBuildSpec.model_validate(build["spec"])


def test_both_nginx_examples_hold_the_same_dockerfile() -> None:
    inline = rendered(ROOT / "examples/nginx-inline")["ImageBuild", "nginx-tools"]
    assert inline["spec"]["dockerfile"] == (ROOT / "examples/nginx/Dockerfile").read_text()
