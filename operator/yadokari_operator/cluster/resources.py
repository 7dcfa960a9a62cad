"""The API server: reads what ImageBuilds are made of, makes and deletes what builds own.

Resources are plain dictionaries, as the server gives them. Requests are synchronous, have a time limit and
may be made from several threads. Secrets are never read.
"""

import json
from collections.abc import Mapping
from typing import Any

import urllib3
from kubernetes import client, config

from yadokari_api.imagebuild import ImageBuild, belongs_to
from yadokari_api.keys import API_VERSION, GROUP, PLURAL, VERSION, Key
from yadokari_api.status import Status, format_status

Resource = Mapping[str, Any]

_TIMEOUT = (5, 30)
"""Seconds to connect and to wait for data."""

_PATHS = {"Pod": "pods", "ConfigMap": "configmaps"}


class ClusterError(Exception):
    """The API server refused or failed a request; `status` is the HTTP status, 0 if there was no answer."""

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status


class RejectedError(ClusterError):
    """The API server does not let a resource be made: a quota, a policy, or a name that is taken."""


class Cluster:
    """The cluster that this operator works in."""

    def __init__(self, api: client.ApiClient) -> None:
        self._api = api

    @classmethod
    def connect(cls) -> "Cluster":
        """Use the pod's service account or, outside a cluster, the kubeconfig."""
        settings = client.Configuration()
        try:
            config.load_incluster_config(client_configuration=settings)  # type: ignore[no-untyped-call]
        except config.ConfigException:
            config.load_kube_config(client_configuration=settings)  # type: ignore[no-untyped-call]
        return cls(client.ApiClient(settings))

    def image_build_keys(self, namespace: str) -> list[Key]:
        """List the ImageBuilds of a namespace, or of all of them when it is empty."""
        within = f"/namespaces/{namespace}" if namespace else ""
        found = self._request("GET", f"/apis/{API_VERSION}{within}/{PLURAL}")
        return [Key(item["metadata"]["namespace"], item["metadata"]["name"]) for item in found["items"]]

    def image_build(self, key: Key) -> Resource | None:
        """Read an ImageBuild, if there is one."""
        found: Resource | None = self._find(self._build_path(key))
        return found

    def pods(self, namespace: str, selector: str) -> list[Resource]:
        """List the pods of a namespace that a label selector chooses."""
        path = f"/api/v1/namespaces/{namespace}/pods"
        found: list[Resource] = self._request("GET", path, query={"labelSelector": selector})["items"]
        return found

    def config_map(self, namespace: str, name: str) -> Resource | None:
        """Read a ConfigMap, if there is one."""
        found: Resource | None = self._find(f"/api/v1/namespaces/{namespace}/configmaps/{name}")
        return found

    def create(self, build: ImageBuild, manifest: Resource) -> None:
        """Make a resource of a build; that it is there already is fine. Raises `RejectedError`."""
        path = f"/api/v1/namespaces/{build.key.namespace}/{_PATHS[manifest['kind']]}"
        try:
            self._request("POST", path, body=manifest)
        except ClusterError as error:
            if error.status == 409:
                self._check_owner(build, f"{path}/{manifest['metadata']['name']}")
            elif error.status in (400, 403, 422):
                raise RejectedError(str(error), status=error.status) from None
            else:
                raise

    def delete(self, kind: str, namespace: str, name: str) -> None:
        """Delete a resource of a build; that it is gone already is fine."""
        try:
            self._request("DELETE", f"/api/v1/namespaces/{namespace}/{_PATHS[kind]}/{name}")
        except ClusterError as error:
            if error.status != 404:
                raise

    def write_status(self, resource: Resource, status: Status) -> None:
        """Replace the status of an ImageBuild as it was read; it must not have changed since."""
        key = Key(resource["metadata"]["namespace"], resource["metadata"]["name"])
        changed = {**resource, "status": format_status(status)}
        self._request("PUT", f"{self._build_path(key)}/status", body=changed)

    def record(self, event: Resource) -> None:
        """Make an Event; that one of this name is there already is fine."""
        try:
            self._request("POST", f"/api/v1/namespaces/{event['metadata']['namespace']}/events", body=event)
        except ClusterError as error:
            if error.status != 409:
                raise

    def _check_owner(self, build: ImageBuild, path: str) -> None:
        found = self._find(path)
        if found is None or not belongs_to(found, build):
            name = path.rpartition("/")[2]
            raise RejectedError(f"{name} exists and belongs to something else", status=409)

    def _build_path(self, key: Key) -> str:
        return f"/apis/{GROUP}/{VERSION}/namespaces/{key.namespace}/{PLURAL}/{key.name}"

    def _find(self, path: str) -> Any:
        try:
            return self._request("GET", path)
        except ClusterError as error:
            if error.status == 404:
                return None
            raise

    def _request(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: Any = None
    ) -> Any:
        request = self._api.param_serialize(
            method,
            path,
            query_params=list((query or {}).items()),
            header_params={"Accept": "application/json", "Content-Type": "application/json"},
            body=body,
            auth_settings=["BearerToken"],
        )
        try:
            response = self._api.call_api(*request, _request_timeout=_TIMEOUT)
            data: bytes = response.read()  # type: ignore[no-untyped-call]
        except (urllib3.exceptions.HTTPError, client.ApiException) as error:
            raise ClusterError(f"{method} {path}: {error}", status=0) from error
        if response.status >= 400:
            raise ClusterError(_message(response.status, data), status=response.status)
        return json.loads(data)


def _message(status: int, data: bytes) -> str:
    """Read what the server says of an error: a Status resource, or whatever stood in between."""
    try:
        return str(json.loads(data)["message"])
    except (ValueError, KeyError, TypeError):
        return f"HTTP status {status}: {data[:200].decode(errors='replace')}"
