"""What the API server says of an ImageBuild that is applied."""

import json
import re
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from support.cluster import KubectlError
from support.operator_process import Kubectl
from support.specs import (
    POLICIES,
    RIGHT,
    WRONG,
    WRONG_POLICIES,
    bounded,
    cached,
    executed,
    mounted,
    rebuilt,
    spec,
    within,
)
from support.town import Town

pytestmark = [pytest.mark.cluster, pytest.mark.api_server]


@pytest.fixture(scope="module")
def kubectl(found: Callable[[str], Town]) -> Kubectl:
    """In a namespace where the operator is installed and none works."""
    return found("schema").kubectl


def resource(content: dict[str, Any], name: str = "app", kind: str = "ImageBuild") -> dict[str, Any]:
    return {
        "apiVersion": "yadokari.dev/v1alpha1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": content,
    }


def test_a_right_spec_is_accepted(kubectl: Kubectl) -> None:
    items = [resource(content, f"right-{number}") for number, content in enumerate(RIGHT)]
    kubectl(
        "create", "--dry-run=server", "-f", "-", stdin={"apiVersion": "v1", "kind": "List", "items": items}
    )


@pytest.mark.parametrize(
    ("content", "why"),
    [
        *WRONG,
        (spec(destinations=[]), "at least 1 items"),
        (spec(destinations=[{"image": "a"}, {"image": "a"}]), "Duplicate value"),
        (spec(historyLimit=21), "less than or equal to 20"),
        (spec(colour="red"), "unknown field"),
        (spec(platforms=["linux/amd64"] * 2), "Duplicate value"),
        (spec(platforms=[f"linux/arm/v{number}" for number in range(1, 10)]), "at most 8 items"),
        (spec(retries=11), "less than or equal to 10"),
        (spec(concurrencyPolicy="Allow"), 'supported values: "Replace", "Queue", "Forbid"'),
        (spec(priority=1001), "less than or equal to 1000"),
        (executed(runtime="Host"), 'supported values: "Auto", "ImageVolume", "InitContainer"'),
        (executed(isolation="VM"), 'supported values: "Auto", "Namespaces", "Shared"'),
        (
            spec(secrets=[{"id": "a", "secretRef": {"name": "a", "key": "b"}, "encoding": "Hex"}]),
            'supported values: "Base64"',
        ),
        (spec(output={"compression": "lzma"}), 'supported values: "gzip", "zstd"'),
        (cached(mounts="Disk"), 'supported values: "Registry", "Volume", "None"'),
        (cached(registry={"from": ["a"] * 2}), "Duplicate value"),
        (cached(registry={"from": [f"a{number}" for number in range(9)]}), "at most 8 items"),
        (cached(volumeClaim={}), "volumeClaim.claimName: Required value"),
        (cached(repository="a"), "unknown field"),
        (
            within(fluxSource={"kind": "HelmChart", "name": "a"}),
            'supported values: "GitRepository", "OCIRepository", "Bucket"',
        ),
        (rebuilt(onBaseImageChange={}), "onBaseImageChange.interval: Required value"),
        (rebuilt(hourly=True), "unknown field"),
        (mounted("/c", hostPath={"path": "/"}), "unknown field"),
        (mounted("/c", secret={"secretName": "a"}), "unknown field"),
        (within(gcs={"bucket": "contexts", "key": "a", "secretRef": {}}), "secretRef.name: Required value"),
        (spec(buildArgsFrom=[{"secretRef": {"name": "a", "key": "b"}}]), "unknown field"),
        (spec(secrets=[{"id": "a", "secretRef": {"name": "a", "key": "b"}}] * 2), "Duplicate value"),
    ],
)
def test_a_wrong_spec_is_refused_with_what_is_right(
    kubectl: Kubectl, content: dict[str, Any], why: str
) -> None:
    with pytest.raises(KubectlError) as raised:
        kubectl("create", "--dry-run=server", "-f", "-", stdin=resource(content))
    assert why in raised.value.complaint


def policies(contents: Iterable[dict[str, Any]]) -> dict[str, Any]:
    items = [
        resource(content, f"policy-{number}", "ImageBuildPolicy") for number, content in enumerate(contents)
    ]
    return {"apiVersion": "v1", "kind": "List", "items": items}


def test_a_right_policy_is_accepted(kubectl: Kubectl) -> None:
    kubectl("create", "--dry-run=server", "-f", "-", stdin=policies(POLICIES))


def test_a_wrong_policy_is_refused_with_what_is_right(kubectl: Kubectl) -> None:
    wrong = [*WRONG_POLICIES, (bounded(isolation="Shared"), "supported values")]
    wrong += [(bounded(priority=1001), "less than or equal to 1000")]
    with pytest.raises(KubectlError) as raised:
        kubectl("create", "--dry-run=server", "-f", "-", stdin=policies(content for content, _ in wrong))
    complaints = re.split("^The ImageBuildPolicy|^Error from", raised.value.complaint, flags=re.MULTILINE)[1:]
    assert len(complaints) == len(wrong)
    for (_, why), said in zip(wrong, complaints, strict=True):
        assert why in said


def test_a_policy_with_a_field_that_there_is_not_is_refused(kubectl: Kubectl) -> None:
    with pytest.raises(KubectlError, match="unknown field"):
        kubectl("create", "--dry-run=server", "-f", "-", stdin=policies([{"bounds": {"image": "a"}}]))


FULL = spec(
    buildArgs={"A": "1"},
    destinations=[
        {"image": "a", "pushSecretRef": {"name": "s"}},
        {"image": "registry.test/b:1", "insecure": True},
        {"image": "c", "insecure": False},
    ],
    pullSecretRefs=[{"name": "p"}],
    executor={
        "resources": {"requests": {"cpu": 1, "memory": "1Gi"}},
        "tolerations": [{"key": "k", "operator": "Exists"}],
    },
    podRetention={"failed": "1h"},
    context={"configMaps": [{"name": "a", "items": [{"key": "k", "path": "p"}]}]},
    buildArgsFrom=[{"configMapRef": {"name": "args"}}, {"secretRef": {"name": "args"}, "prefix": "A_"}],
    secrets=[{"id": "a", "secretRef": {"name": "a", "key": "b"}}],
    output={"labels": {"a": "b"}, "timestamp": 5},
    cache={"registry": {"ttl": "1h", "from": ["a/cache"]}, "volumeClaim": {"claimName": "c"}},
    rebuild={"schedule": {"cron": "@daily"}, "onBaseImageChange": {"interval": "1h"}},
)


@pytest.mark.parametrize("how", [[], ["--server-side"]])
def test_applying_the_same_file_twice_changes_nothing(kubectl: Kubectl, how: list[str]) -> None:
    names = [f"twice{len(how)}-{number}" for number in range(len(RIGHT) + 1)]
    items = [resource(content, name) for content, name in zip([*RIGHT, FULL], names, strict=True)]
    these = {"apiVersion": "v1", "kind": "List", "items": items}
    kubectl("apply", *how, "-f", "-", stdin=these)
    # As the operator does; only then does the API server store the defaults of the status.
    seen = {**these, "items": [{**item, "status": {"phase": "Pending"}} for item in items]}
    kubectl("replace", "--subresource=status", "-f", "-", stdin=seen)
    before = versions(kubectl, names)
    assert kubectl("diff", *how, "-f", "-", stdin=these) == ""
    said = {line.split()[-1] for line in kubectl("apply", *how, "-f", "-", stdin=these).splitlines()}
    assert said == {"serverside-applied" if how else "unchanged"}
    assert versions(kubectl, names) == before


def versions(kubectl: Kubectl, names: list[str]) -> list[str]:
    found = json.loads(kubectl("get", "ib", "-o", "json"))
    return [it["metadata"]["resourceVersion"] for it in found["items"] if it["metadata"]["name"] in names]
