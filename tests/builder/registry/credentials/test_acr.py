"""Registries of Azure, and who asks for them."""

import json

import pytest

from yadokari_builder.errors import UsageError
from yadokari_builder.registry.credentials.acr import AzureIdentity, is_registry


def test_registries_of_azure_are_known_by_their_whole_name() -> None:
    ours = [name for name in ("my-team.azurecr.io", "x.azurecr.cn", "x.azurecr.us") if is_registry(name)]
    others = (
        "azurecr.io",
        "x.azurecr.io.evil.example",
        "a.x.azurecr.io",
        "x.azurecr.io:5000",
        "x-azurecr.io",
    )
    assert len(ours) == 3
    assert not any(map(is_registry, others))


def test_the_environment_says_who_asks() -> None:
    environment = {"AZURE_TENANT_ID": "t", "AZURE_CLIENT_ID": "c", "AZURE_CLIENT_SECRET": "s"}
    assert AzureIdentity.of_environment(environment) == AzureIdentity(tenant="t", client="c", secret="s")
    assert AzureIdentity.of_environment({}) == AzureIdentity()


def test_kubernetes_file_says_who_asks() -> None:
    principal = {"tenantId": "t", "aadClientId": "c", "aadClientSecret": "s", "cloud": "AzureChinaCloud"}
    found = AzureIdentity.parse(json.dumps(principal), "x")
    assert found == AzureIdentity("https://login.chinacloudapi.cn", "t", "c", "s")
    node = {**principal, "useManagedIdentityExtension": True, "userAssignedIdentityID": "u", "cloud": ""}
    assert AzureIdentity.parse(json.dumps(node), "x") == AzureIdentity(client="u")
    assert "'s'" not in repr(found)


@pytest.mark.parametrize(
    "text", ["hunter2", "[]", "[" * 100_000, '{"aadClientSecret": ["hunter2"]}', '{"cloud": "hunter2"}']
)
def test_what_is_no_such_file_is_refused_without_being_quoted(text: str) -> None:
    with pytest.raises(UsageError, match="--azure-container-registry-config: azure") as caught:
        AzureIdentity.parse(text, "azure.json")
    assert "hunter2" not in str(caught.value)
