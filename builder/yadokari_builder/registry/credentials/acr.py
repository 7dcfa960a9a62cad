"""Registries of Azure: which they are, and who asks for them there."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from yadokari_builder.errors import UsageError

_REGISTRY = re.compile(r"[a-z0-9-]+\.azurecr\.(?:io|cn|us|de)")
_AUTHORITY = "https://login.microsoftonline.com"
_AUTHORITIES: Mapping[str, str] = {
    "": _AUTHORITY,
    "AZUREPUBLICCLOUD": _AUTHORITY,
    "AZURECLOUD": _AUTHORITY,
    "AZURECHINACLOUD": "https://login.chinacloudapi.cn",
    "AZUREUSGOVERNMENTCLOUD": "https://login.microsoftonline.us",
    "AZUREUSGOVERNMENT": "https://login.microsoftonline.us",
}


def is_registry(registry: str) -> bool:
    """Tell whether a registry is one of Azure's."""
    return _REGISTRY.fullmatch(registry) is not None


@dataclass(frozen=True, slots=True)
class AzureIdentity:
    """Who asks: a service principal with a secret or with a token of the cluster, else the node.

    `client` names a principal, or one of several identities of the node.
    """

    authority: str = _AUTHORITY
    tenant: str = ""
    client: str = ""
    secret: str = field(default="", repr=False)
    token_file: str = ""

    @classmethod
    def of_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read the variables that Azure's own programs read."""
        get = environment.get
        return cls(
            (get("AZURE_AUTHORITY_HOST") or _AUTHORITY).rstrip("/"),
            get("AZURE_TENANT_ID", ""),
            get("AZURE_CLIENT_ID", ""),
            get("AZURE_CLIENT_SECRET", ""),
            get("AZURE_FEDERATED_TOKEN_FILE", ""),
        )

    @classmethod
    def parse(cls, text: str, path: str) -> Self:
        """Read the file of `--azure-container-registry-config`, as Kubernetes has it; raises `UsageError`.

        The error does not quote it.
        """
        what = f"--azure-container-registry-config: {path}"
        try:
            data: Any = json.loads(text)
            found = {name: data.get(name) or "" for name in (*_TEXTS, "useManagedIdentityExtension")}
        except (ValueError, AttributeError, RecursionError):
            raise UsageError(f"{what} is no JSON object") from None
        wrong = [name for name in _TEXTS if not isinstance(found[name], str)]
        if wrong:
            raise UsageError(f"{what}: {wrong[0]} is not a string")
        authority = _AUTHORITIES.get(found["cloud"].upper())
        if authority is None:
            raise UsageError(f"{what}: there is no such cloud as it names")
        if found["useManagedIdentityExtension"]:
            return cls(authority, client=found["userAssignedIdentityID"])
        return cls(authority, found["tenantId"], found["aadClientId"], found["aadClientSecret"])


_TEXTS = ("cloud", "tenantId", "aadClientId", "aadClientSecret", "userAssignedIdentityID")
