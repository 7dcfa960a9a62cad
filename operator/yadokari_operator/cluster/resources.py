"""What ImageBuilds are made of is read, what builds own is made and deleted.

Resources are plain dictionaries, as the server gives them.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from types import MappingProxyType
from typing import Any

from yadokari_api.fields import SUBDOMAIN
from yadokari_api.imagebuild import ImageBuild, is_controlled_by
from yadokari_api.keys import (
    API_VERSION,
    CONTAINER,
    LABEL_BUILD,
    LABEL_ERRAND,
    PLURAL,
    POLICY_PLURAL,
    Key,
)
from yadokari_api.reasons import StateReason
from yadokari_api.status import Status, format_status
from yadokari_operator.cluster.api import Api, ClusterError
from yadokari_operator.cluster.likeness import is_like
from yadokari_operator.cluster.metadata import Metadata

Resource = Mapping[str, Any]

FLUX = "source.toolkit.fluxcd.io/v1"
FLUX_KINDS = MappingProxyType(
    {"GitRepository": "gitrepositories", "OCIRepository": "ocirepositories", "Bucket": "buckets"}
)
"""Sources of Flux that have an artifact, and what their kind is called in paths."""

_POLICIES = f"/apis/{API_VERSION}/{POLICY_PLURAL}"
_PATHS = {"Pod": "pods", "ConfigMap": "configmaps"}
_NAME = re.compile(SUBDOMAIN, re.ASCII)
_PAGE = 50
_FORBIDDEN = 403
_CONFLICT = 409
_WRONG = (400, 422)


class RejectedError(ClusterError):
    """The API server does not let a resource be made: a quota, a policy, a name that is taken, a mistake."""

    @property
    def reason(self) -> StateReason:
        """Why not: an invalid spec would be refused again, whatever else changes."""
        message = str(self)
        if "exceeded quota" in message or "failed quota" in message:
            return StateReason.QUOTA_EXCEEDED
        if self.status == _FORBIDDEN or "admission webhook" in message:
            return StateReason.ADMISSION_DENIED
        return StateReason.INVALID_SPEC if self.status in _WRONG else StateReason.POD_REJECTED


def outside_of(namespaces: Iterable[str]) -> str:
    """Select by fields what is in none of some namespaces."""
    return ",".join(f"metadata.namespace!={name}" for name in namespaces)


class Cluster:
    """The cluster that this operator works in; what is in namespaces `left_alone` is never listed."""

    def __init__(self, api: Api, left_alone: Iterable[str] = ()) -> None:
        self._api = api
        self._fields = outside_of(left_alone)

    def image_builds(self, namespace: str) -> Metadata:
        """Give the metadata of the ImageBuilds of a namespace, or of all of them when it is empty."""
        return Metadata(
            self._api, f"/apis/{API_VERSION}{_within(namespace)}/{PLURAL}", fields=self._outside(namespace)
        )

    def config_maps(self, namespace: str, selector: str = "") -> Metadata:
        """Give the metadata of the ConfigMaps of a namespace, or of all of them when it is empty."""
        return Metadata(
            self._api, f"/api/v1{_within(namespace)}/configmaps", selector, self._outside(namespace)
        )

    def unfinished_pods(self, namespace: str) -> Iterator[Resource]:
        """Yield the pods that build and have not ended, of a namespace or of all of them, page by page."""
        fields = ",".join(
            filter(None, ["status.phase!=Succeeded,status.phase!=Failed", self._outside(namespace)])
        )
        selector = f"{LABEL_BUILD},!{LABEL_ERRAND}"
        query = {"labelSelector": selector, "fieldSelector": fields, "limit": str(_PAGE)}
        while True:
            found = self._api.request("GET", f"/api/v1{_within(namespace)}/pods", query=query)
            yield from found["items"]
            more = found["metadata"].get("continue")
            if not more:
                return
            query = query | {"continue": more}

    def flux_sources(self, kind: str, namespace: str) -> Metadata:
        """Give the metadata of the sources of Flux of one kind, of a namespace or of all of them."""
        path = f"/apis/{FLUX}{_within(namespace)}/{FLUX_KINDS[kind]}"
        return Metadata(self._api, path, fields=self._outside(namespace))

    def _outside(self, namespace: str) -> str:
        return "" if namespace else self._fields

    def flux_source(self, kind: str, key: Key) -> Resource | None:
        """Read a source of Flux, if there is one; whoever may not read it gets a `ClusterError` of 403."""
        return self._named(f"/apis/{FLUX}{_within(key.namespace)}/{FLUX_KINDS[kind]}", key.name)

    def serves_flux(self, kind: str) -> bool:
        """Whether the cluster has sources of Flux of one kind."""
        found = self._api.find(f"/apis/{FLUX}")
        return found is not None and any(it["name"] == FLUX_KINDS[kind] for it in found["resources"])

    def policy_changes(self) -> Metadata:
        """Give the metadata of all ImageBuildPolicies."""
        return Metadata(self._api, _POLICIES)

    def policies(self) -> list[Resource]:
        """List all ImageBuildPolicies; there are none where the API server does not know them."""
        found = self._api.find(_POLICIES)
        return [] if found is None else list(found["items"])

    def namespace_labels(self, namespace: str) -> Mapping[str, str]:
        """Read the labels of a namespace."""
        found = self._api.request("GET", f"/api/v1/namespaces/{namespace}")
        return found["metadata"].get("labels") or {}

    def image_build(self, key: Key) -> Resource | None:
        """Read an ImageBuild, if there is one."""
        return self._named(_builds_path(key.namespace), key.name)

    def pods(self, namespace: str, selector: str) -> list[Resource]:
        """List the pods of a namespace that a label selector chooses."""
        query = {"labelSelector": selector}
        found: list[Resource] = self._api.request("GET", f"/api/v1{_within(namespace)}/pods", query=query)[
            "items"
        ]
        return found

    def log(
        self, namespace: str, pod: str, lines: int, silence: float, *, follow: bool
    ) -> AbstractContextManager[Iterator[bytes]]:
        """Read the last lines of the executor's log in a pod, each with its time, and `follow` it from there.

        Raises `ClusterError`, also while it is read and when nothing has come for `silence` seconds.
        """
        query = {"container": CONTAINER, "timestamps": "true", "tailLines": str(lines)}
        if follow:
            query["follow"] = "true"
        return self._api.text(f"/api/v1{_within(namespace)}/pods/{pod}/log", query=query, silence=silence)

    def config_map(self, namespace: str, name: str) -> Resource | None:
        """Read a ConfigMap, if there is one."""
        return self._named(f"/api/v1{_within(namespace)}/configmaps", name)

    def _named(self, path: str, name: str) -> Resource | None:
        """Read one of the resources at a path, if there is one.

        Of a name that none can have there is none. Anybody may write it, as that of a pod's owner, for one,
        and to the server it would be another path, or a query.
        """
        if not _NAME.fullmatch(name):
            return None
        found: Resource | None = self._api.find(f"{path}/{name}")
        return found

    def create(self, build: ImageBuild, manifest: Resource) -> str:
        """Make a resource of a build; gives its UID. Raises `RejectedError`.

        That it is there already is fine. One of this build's name that holds something else than was made of
        it, since it may be anybody who made it, is replaced; one that is not of this build is left alone.
        """
        path = f"/api/v1{_within(build.key.namespace)}/{_PATHS[manifest['kind']]}"
        try:
            return self._post(path, manifest)
        except ClusterError as error:
            if error.status == _CONFLICT:
                return self._take_over(build, manifest, path)
            if error.status in (_FORBIDDEN, *_WRONG):
                raise RejectedError(str(error), status=error.status) from None
            raise

    def tried(self, namespace: str, pod: Resource) -> Resource:
        """Tell what would be made of a pod, which is not made. Raises `RejectedError` where none would be."""
        path = f"/api/v1{_within(namespace)}/pods"
        try:
            made: Resource = self._api.request("POST", path, query={"dryRun": "All"}, body=pod)
        except ClusterError as error:
            if error.status in (_FORBIDDEN, *_WRONG):
                raise RejectedError(str(error), status=error.status) from None
            raise
        return made

    def delete(
        self, kind: str, namespace: str, name: str, uid: str, version: str = "", *, at_once: bool = False
    ) -> None:
        """Delete the resource of this UID; that it is gone already, or another one by now, is fine.

        With a version of it, the same goes where it has changed since. What goes `at_once` gets no time.
        """
        path = f"/api/v1{_within(namespace)}/{_PATHS[kind]}/{name}"
        how = {"gracePeriodSeconds": 0} if at_once else {}
        self._delete(path, {"uid": uid}, version, **how)

    def _delete(self, path: str, preconditions: dict[str, str], version: str = "", **how: Any) -> None:
        if version:
            preconditions["resourceVersion"] = version
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": preconditions,
            **how,
        }
        try:
            self._api.request("DELETE", path, body=options)
        except ClusterError as error:
            if error.status not in (404, _CONFLICT):
                raise

    def minor_version(self) -> int:
        """Tell N of the server's Kubernetes version 1.N."""
        # Some providers write 36+.
        digits = re.findall("[0-9]+", self._api.request("GET", "/version")["minor"])
        return int(digits[0]) if digits else 0

    def write_status(self, resource: Resource, status: Status) -> str:
        """Replace the status of an ImageBuild as it was read, and not changed since; gives its version."""
        key = Key(resource["metadata"]["namespace"], resource["metadata"]["name"])
        changed = {**resource, "status": format_status(status)}
        written = self._api.request("PUT", f"{_builds_path(key.namespace)}/{key.name}/status", body=changed)
        version: str = written["metadata"]["resourceVersion"]
        return version

    def record(self, event: Resource) -> None:
        """Make an Event; that one of this name is there already is fine."""
        try:
            self._api.request("POST", f"/api/v1{_within(event['metadata']['namespace'])}/events", body=event)
        except ClusterError as error:
            if error.status != _CONFLICT:
                raise

    def _post(self, path: str, manifest: Resource) -> str:
        made = self._api.request("POST", path, body=manifest)
        uid: str = made["metadata"]["uid"]
        if manifest["kind"] == "Pod" and (lost := _volumes(manifest) - _volumes(made)):
            self._delete(f"{path}/{made['metadata']['name']}", {"uid": uid}, gracePeriodSeconds=0)
            message = (
                f"the API server leaves {', '.join(sorted(lost))} out of a pod's volumes: it has no image"
                " volumes (feature gate ImageVolume); set executor.runtime: InitContainer"
            )
            raise RejectedError(message, status=_WRONG[-1])
        return uid

    def _take_over(self, build: ImageBuild, manifest: Resource, path: str) -> str:
        name = manifest["metadata"]["name"]
        found = self._api.find(f"{path}/{name}")
        if found is None or "deletionTimestamp" in found["metadata"]:
            raise ClusterError(f"{name} is about to go", status=_CONFLICT)
        if not is_controlled_by(found, build):
            raise RejectedError(f"{name} exists and belongs to something else", status=_CONFLICT)
        uid: str = found["metadata"]["uid"]
        if is_like(found, manifest):
            return uid
        # At once: how long it may take to end is said by who made it.
        version = found["metadata"]["resourceVersion"]
        self._delete(f"{path}/{name}", {"uid": uid}, version, gracePeriodSeconds=0)
        return self._post(path, manifest)


def _volumes(pod: Resource) -> set[str]:
    return {volume["name"] for volume in pod["spec"].get("volumes") or []}


def _within(namespace: str) -> str:
    return f"/namespaces/{namespace}" if namespace else ""


def _builds_path(namespace: str) -> str:
    return f"/apis/{API_VERSION}{_within(namespace)}/{PLURAL}"
