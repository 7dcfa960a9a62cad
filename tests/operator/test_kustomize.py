"""What people apply, as kubectl renders it."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from yadokari_api.spec import ImageBuildSpec
from yadokari_operator.cluster.resources import FLUX_KINDS
from yadokari_operator.handlers.election import OF_ALL, OF_ONE
from yadokari_operator.settings import Settings

# Where kubectl is not installed, it is the cluster's.
pytestmark = [pytest.mark.cluster, pytest.mark.api_server]

ROOT = Path(__file__).parents[2]

Resources = dict[tuple[str, str], dict[str, Any]]
Render = Callable[[Path], Resources]


@pytest.fixture(scope="module")
def rendered(request: pytest.FixtureRequest) -> Render:
    """How a folder renders, by the kubectl of this machine or else by that of the throwaway cluster."""
    kubectl = shutil.which("kubectl") or request.getfixturevalue("control_plane").cluster.bin / "kubectl"

    def render(folder: Path) -> Resources:
        result = subprocess.run([kubectl, "kustomize", folder], capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
        return {
            (resource["kind"], resource["metadata"]["name"]): resource
            for resource in yaml.safe_load_all(result.stdout)
        }

    return render


def overlay(folder: Path, base: str, **fields: Any) -> Path:
    """Write a kustomization over one of ours, which kustomize takes by a relative folder only."""
    kustomization = {"resources": [relative(folder, base)], **fields}
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    return folder


def relative(folder: Path, ours: str) -> str:
    return os.path.relpath(ROOT / ours, folder.resolve())


def kinds(resources: Resources) -> list[str]:
    return sorted(kind for kind, _ in resources)


def operator_env(resources: Resources) -> dict[str, str]:
    deployment = resources["Deployment", "yadokari"]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    settings: dict[str, str] = next(
        resource["data"] for (kind, _), resource in resources.items() if kind == "ConfigMap"
    )
    return settings | {entry["name"]: entry.get("value", "") for entry in container["env"]}


def rights(role: dict[str, Any]) -> set[str]:
    return {
        f"{resource} {verb}"
        for rule in role["rules"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def test_the_default_installation_serves_the_whole_cluster(rendered: Render) -> None:
    assert kinds(rendered(ROOT / "kustomize/default")) == [
        "ClusterRole",
        "ClusterRole",
        "ClusterRole",
        "ClusterRoleBinding",
        "ConfigMap",
        "CustomResourceDefinition",
        "CustomResourceDefinition",
        "Deployment",
        "Namespace",
        "Role",
        "RoleBinding",
        "ServiceAccount",
    ]


def test_the_namespaced_installation_has_no_right_beyond_its_namespace(rendered: Render) -> None:
    resources = rendered(ROOT / "kustomize/namespaced")
    assert kinds(resources) == [
        "ConfigMap",
        "CustomResourceDefinition",
        "CustomResourceDefinition",
        "Deployment",
        "Role",
        "Role",
        "RoleBinding",
        "RoleBinding",
        "ServiceAccount",
    ]
    assert "YADOKARI_NAMESPACE" in operator_env(resources)


@pytest.mark.parametrize(("folder", "kind"), [("default", "ClusterRole"), ("namespaced", "Role")])
def test_the_operator_may_do_what_it_does_and_no_more(rendered: Render, folder: str, kind: str) -> None:
    resources = rendered(ROOT / "kustomize" / folder)
    seeing_others = {"leases list"} if kind == "ClusterRole" else set()
    assert rights(resources[kind, "yadokari"]) == seeing_others | {
        *("imagebuilds get", "imagebuilds list", "imagebuilds watch", "imagebuilds/status update"),
        *("pods get", "pods list", "pods watch", "pods create", "pods delete"),
        *("configmaps get", "configmaps list", "configmaps watch", "configmaps create", "configmaps delete"),
        *("pods/log get", "events create"),
        *(f"{plural} {verb}" for plural in FLUX_KINDS.values() for verb in ("get", "list", "watch")),
        *(
            {f"imagebuildpolicies {verb}" for verb in ("get", "list", "watch")} | {"namespaces get"}
            if folder == "default"
            else ()
        ),
    }
    assert rights(resources["Role", "yadokari-leases"]) == {"leases create", "leases get", "leases update"}


@pytest.mark.parametrize("folder", ["default", "namespaced"])
def test_the_leases_that_may_be_read_and_written_are_the_operators(rendered: Render, folder: str) -> None:
    resources = rendered(ROOT / "kustomize" / folder)
    named = [
        rule["resourceNames"]
        for (kind, _), resource in resources.items()
        if kind in ("Role", "ClusterRole")
        for rule in resource["rules"]
        if rule["resources"] == ["leases"] and rule["verbs"] != ["create"]
    ]
    assert named
    assert all(names == [OF_ALL, OF_ONE] for names in named)


def test_the_rights_are_bound_to_the_operators_account(rendered: Render) -> None:
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


def test_the_operators_pod_meets_the_restricted_standard(rendered: Render) -> None:
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


def test_the_manifests_settings_are_the_defaults(rendered: Render) -> None:
    assert Settings.from_environment(operator_env(rendered(ROOT / "kustomize/default"))) == Settings()


def test_an_overlay_replaces_both_images(rendered: Render, tmp_path: Path) -> None:
    resources = rendered(
        overlay(
            tmp_path,
            "kustomize/default",
            images=[
                {"name": "yadokari/operator", "newName": "r.test/o", "newTag": "2"},
                {"name": "yadokari/executor", "newName": "r.test/e", "digest": "sha256:" + "0" * 64},
            ],
        )
    )
    pod = resources["Deployment", "yadokari"]["spec"]["template"]["spec"]
    assert pod["containers"][0]["image"] == "r.test/o:2"
    assert operator_env(resources)["YADOKARI_EXECUTOR_IMAGE"] == "r.test/e@sha256:" + "0" * 64


def test_an_overlay_changes_settings_and_the_operator_starts_anew(rendered: Render, tmp_path: Path) -> None:
    before = rendered(ROOT / "kustomize/default")
    after = rendered(
        overlay(
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
    )
    assert operator_env(after)["YADOKARI_INSECURE_REGISTRIES"] == "r.test:5000"
    assert operator_env(after)["YADOKARI_LOG_LEVEL"] == "info"
    assert before["Deployment", "yadokari"] != after["Deployment", "yadokari"]


def test_an_overlay_moves_the_namespaced_installation(rendered: Render, tmp_path: Path) -> None:
    resources = rendered(overlay(tmp_path, "kustomize/namespaced", namespace="team"))
    assert resources["Deployment", "yadokari"]["metadata"]["namespace"] == "team"
    assert resources["RoleBinding", "yadokari"]["subjects"][0]["namespace"] == "team"


def test_generated_names_reach_an_image_build(rendered: Render, tmp_path: Path) -> None:
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
        "components": [relative(tmp_path, "kustomize/components/name-reference")],
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


def test_the_name_of_a_source_of_flux_reaches_an_image_build(rendered: Render, tmp_path: Path) -> None:
    build = {
        "apiVersion": "yadokari.dev/v1alpha1",
        "kind": "ImageBuild",
        "metadata": {"name": "app"},
        "spec": {"context": {"fluxSource": {"kind": "OCIRepository", "name": "app"}}},
    }
    source = {
        "apiVersion": "source.toolkit.fluxcd.io/v1",
        "kind": "OCIRepository",
        "metadata": {"name": "app"},
    }
    (tmp_path / "both.yaml").write_text(yaml.safe_dump_all([build, source]))
    kustomization = {
        "nameSuffix": "-dev",
        "resources": ["both.yaml"],
        "components": [relative(tmp_path, "kustomize/components/name-reference")],
    }
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    spec = rendered(tmp_path)["ImageBuild", "app-dev"]["spec"]
    assert spec["context"]["fluxSource"]["name"] == "app-dev"


def test_images_say_in_one_place_what_is_built_and_what_runs(rendered: Render, tmp_path: Path) -> None:
    build = {
        "apiVersion": "yadokari.dev/v1alpha1",
        "kind": "ImageBuild",
        "metadata": {"name": "app"},
        "spec": {
            "dockerfile": "FROM r.test/base:1",
            "context": {"oci": {"image": "r.test/files:1"}},
            "destinations": [{"image": "app"}, {"image": "r.test/mirror/app:1"}],
            "executor": {"image": "custom"},
        },
    }
    app = {"containers": [{"name": "app", "image": "app:0"}]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "app"}, "spec": app}
    (tmp_path / "both.yaml").write_text(yaml.safe_dump_all([build, pod]))
    images = {"app": "r.test/team/app", "r.test/files": "r.test/team/files", "custom": "r.test/custom"}
    kustomization = {
        "resources": ["both.yaml"],
        "components": [relative(tmp_path, "kustomize/components/name-reference")],
        "images": [{"name": name, "newName": new, "newTag": "2"} for name, new in images.items()],
    }
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    resources = rendered(tmp_path)
    spec = resources["ImageBuild", "app"]["spec"]
    (container,) = resources["Pod", "app"]["spec"]["containers"]
    assert [it["image"] for it in spec["destinations"]] == [container["image"], "r.test/mirror/app:1"]
    assert container["image"] == "r.test/team/app:2"
    assert (spec["context"]["oci"]["image"], spec["executor"]["image"]) == (
        "r.test/team/files:2",
        "r.test/custom:2",
    )
    # What a Dockerfile names is its own affair.
    assert spec["dockerfile"] == "FROM r.test/base:1"


@pytest.mark.parametrize(
    "folder", sorted(path.parent.name for path in ROOT.glob("examples/*/kustomization.yaml"))
)
def test_every_example_is_valid(rendered: Render, folder: str) -> None:
    resources = rendered(ROOT / "examples" / folder)
    builds = [resource for (kind, _), resource in resources.items() if kind == "ImageBuild"]
    assert builds
    for build in builds:
        assert ImageBuildSpec.model_validate(build["spec"])


def test_both_nginx_examples_hold_the_same_dockerfile(rendered: Render) -> None:
    inline = rendered(ROOT / "examples/nginx-inline")["ImageBuild", "nginx-tools"]
    assert inline["spec"]["dockerfile"] == (ROOT / "examples/nginx/Dockerfile").read_text()
