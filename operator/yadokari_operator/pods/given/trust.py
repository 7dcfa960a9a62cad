"""Certificates of authorities that the executor trusts: files of a ConfigMap."""

from typing import Any

from yadokari_api.spec import ImageBuildSpec

Manifest = dict[str, Any]

# In the runtime's own directory, as all mounts.
_FOLDER = "/yadokari/input/certificates"
_VOLUME = "certificates"


def environment(spec: ImageBuildSpec) -> list[Manifest]:
    """Write the variable that names where they are."""
    return [{"name": "SSL_CERT_DIR", "value": _FOLDER}] if spec.certificates else []


def volumes(spec: ImageBuildSpec) -> list[Manifest]:
    """Write the pod's volumes with them."""
    if spec.certificates is None:
        return []
    return [{"name": _VOLUME, "configMap": {"name": spec.certificates.config_map_ref.name}}]


def mounts(spec: ImageBuildSpec) -> list[Manifest]:
    """Write where those are."""
    return [{"name": _VOLUME, "mountPath": _FOLDER, "readOnly": True}] if spec.certificates else []
