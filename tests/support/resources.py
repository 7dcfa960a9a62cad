"""ImageBuilds and executor pods as the API server gives them, for tests of the operator."""

import copy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from yadokari_api.imagebuild import ImageBuild
from yadokari_api.status import Status, format_status
from yadokari_contract.reasons import Reason
from yadokari_contract.results.build import BuildResult, Failure, format_result
from yadokari_operator.pods.observed import OwnedConfigMap, Pod, parse_owned_config_map, parse_pod

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
IMAGE = "registry.example.com/team/app:1"
DIGEST = "sha256:" + "1" * 64
SPEC: dict[str, Any] = {
    "dockerfile": "FROM busybox\n",
    "destinations": [{"image": IMAGE}],
}


def time(seconds: float) -> str:
    """A time so many seconds before now."""
    return (NOW - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def image_build(
    spec: dict[str, Any] | None = None,
    status: Status | None = None,
    *,
    generation: int = 1,
    name: str = "app",
    uid: str = "u1",
    rebuild: str = "",
) -> ImageBuild:
    """An ImageBuild named app in the namespace team."""
    metadata: dict[str, Any] = {"namespace": "team", "name": name, "uid": uid, "generation": generation}
    if rebuild:
        metadata["annotations"] = {"yadokari.dev/rebuild-requested-at": rebuild}
    return ImageBuild.parse(
        {
            "metadata": metadata,
            "spec": SPEC if spec is None else spec,
            "status": format_status(status or Status()),
        }
    )


def with_status(build: ImageBuild, status: Status) -> ImageBuild:
    """The same ImageBuild after its status was written, and read again."""
    return image_build(
        dict(build.spec),
        status,
        generation=build.generation,
        name=build.key.name,
        uid=build.uid,
        rebuild=build.rebuild,
    )


def pod(
    manifest: dict[str, Any],
    status: dict[str, Any],
    *,
    build: ImageBuild | None = None,
    age: float = 60,
    deleted: str = "",
) -> Pod:
    """A pod as it was made from `manifest`, with what the kubelet says of it."""
    resource = pod_resource(manifest, status, age=age, deleted=deleted)
    found = parse_pod(resource, knowing(build or image_build(), resource))
    assert found is not None
    return found


def knowing(build: ImageBuild, *pods: dict[str, Any]) -> ImageBuild:
    """The same with a status that says that the operator has made these pods."""
    uids = tuple(pod["metadata"]["uid"] for pod in pods)
    return replace(build, status=replace(build.status, pod_uids=uids))


def pod_resource(
    manifest: dict[str, Any], status: dict[str, Any], *, age: float = 60, deleted: str = ""
) -> dict[str, Any]:
    """The same as the API server gives it."""
    resource = copy.deepcopy(manifest)
    resource["metadata"] |= {"uid": f"uid of {manifest['metadata']['name']}", "creationTimestamp": time(age)}
    if deleted:
        resource["metadata"]["deletionTimestamp"] = deleted
    resource["status"] = status
    return resource


def owned_config_map(manifest: dict[str, Any]) -> OwnedConfigMap:
    """A ConfigMap as it was made from `manifest`."""
    name = manifest["metadata"]["name"]
    resource = {"metadata": manifest["metadata"] | {"uid": f"uid of {name}"}}
    found = parse_owned_config_map(resource, image_build())
    assert found is not None
    return found


RUNNING: dict[str, Any] = {
    "phase": "Running",
    "startTime": time(60),
    "containerStatuses": [{"name": "executor", "state": {"running": {}}}],
}


def waiting(reason: str = "", message: str = "") -> dict[str, Any]:
    """Status of a pod that has not started."""
    state = {"waiting": {"reason": reason, "message": message}} if reason else {}
    return {"phase": "Pending", "containerStatuses": [{"name": "executor", "state": state}]}


def ended(
    code: int, message: str = "", *, reason: str = "", before: float = 5, **status: Any
) -> dict[str, Any]:
    """Status of a pod whose executor has ended with `code`, so many seconds before now."""
    terminated = {
        "exitCode": code,
        "reason": reason or ("Completed" if code == 0 else "Error"),
        "message": message,
        "finishedAt": time(before),
    }
    return {
        "phase": "Succeeded" if code == 0 else "Failed",
        "containerStatuses": [{"name": "executor", "state": {"terminated": terminated}}],
        **status,
    }


def built() -> dict[str, Any]:
    """Status of a pod whose executor has pushed the image."""
    return ended(0, format_result(BuildResult(digest=DIGEST, images=(IMAGE,))))


def failed(reason: Reason, message: str = "it failed", line: int = 0, *, before: float = 5) -> dict[str, Any]:
    """Status of a pod whose executor has failed and said why."""
    result = BuildResult(failure=Failure(reason, message, line, "the log's end"))
    return ended(reason.exit_code, format_result(result), before=before)


def taken_away(reason: str = "", *, before: float = 5) -> dict[str, Any]:
    """Status of a pod that the cluster stopped for reasons of its own."""
    condition = {"type": "DisruptionTarget", "status": "True", "lastTransitionTime": time(before)}
    return {
        "phase": "Failed",
        "reason": reason,
        "message": "The node was low on resource",
        "conditions": [condition],
    }
