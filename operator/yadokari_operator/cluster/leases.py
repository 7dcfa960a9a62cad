"""Leases (coordination.k8s.io/v1): read, made and held."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from yadokari_operator.cluster.api import Api, ClusterError
from yadokari_operator.leadership import LASTS, Place, Term

_PATIENCE = 4.0
"""Seconds that a request may take: a late answer is as good as none."""

_CONFLICT = 409


class Leases:
    """The Leases of operators."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def find(self, place: Place) -> Term | None:
        """Read a Lease, if there is one. Raises `ClusterError`."""
        found = self._api.find(_path(place), patience=_PATIENCE)
        return None if found is None else _parse(found)

    def named(self, name: str) -> list[Term]:
        """Read all the Leases of a name, of all namespaces. Raises `ClusterError`."""
        query = {"fieldSelector": f"metadata.name={name}"}
        found = self._api.request("GET", _path(Place("", "")), query=query, patience=_PATIENCE)
        return [_parse(item) for item in found["items"]]

    def hold(self, place: Place, before: Term | None, holder: str) -> Term | None:
        """Write a holder, or none, into a Lease as it was read; `None` if it has changed since.

        Raises `ClusterError`.
        """
        changes = before is None or before.holder != holder
        transitions = 0 if before is None else before.transitions + (changes and holder != "")
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        lease = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {
                "name": place.name,
                "namespace": place.namespace,
                "labels": {"app.kubernetes.io/name": "yadokari"},
                **({} if before is None else {"resourceVersion": before.version}),
            },
            "spec": {
                "holderIdentity": holder,
                "leaseDurationSeconds": int(LASTS),
                "leaseTransitions": transitions,
                "renewTime": now,
            },
        }
        method, path = (
            ("POST", _path(Place(place.namespace, ""))) if before is None else ("PUT", _path(place))
        )
        try:
            return _parse(self._api.request(method, path, body=lease, patience=_PATIENCE))
        except ClusterError as error:
            if error.status == _CONFLICT:
                return None
            raise


def _path(place: Place) -> str:
    within = f"/namespaces/{place.namespace}" if place.namespace else ""
    return f"/apis/coordination.k8s.io/v1{within}/leases" + (f"/{place.name}" if place.name else "")


def _parse(lease: Mapping[str, Any]) -> Term:
    metadata, spec = lease["metadata"], lease.get("spec") or {}
    return Term(
        Place(metadata["namespace"], metadata["name"]),
        spec.get("holderIdentity") or "",
        metadata["resourceVersion"],
        metadata["creationTimestamp"],
        spec.get("leaseTransitions") or 0,
    )
