"""Access tokens of Azure, for whoever the build is there."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

import urllib3

from yadokari_builder.registry.clouds.exchange import Query, read_file, texts, told, told_nearby
from yadokari_builder.registry.credentials.acr import AzureIdentity

_WHAT = "credentials of Azure"
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_NODE_SERVICE = "http://169.254.169.254"
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@dataclass(frozen=True, slots=True)
class AzureCredentials:
    """Looks for a token that `resource` takes, an address; `nearby` are connections without a proxy."""

    identity: AzureIdentity
    resource: str
    environment: Mapping[str, str]
    http: urllib3.PoolManager
    nearby: urllib3.PoolManager

    def find(self) -> str | None:
        """Return a token, None where there is none; raises ContextError for one that cannot be had."""
        proof = self._proof() if self.identity.tenant else None
        return self._of_node() if proof is None else self._of_principal(proof)

    def _proof(self) -> Mapping[str, str] | None:
        if self.identity.secret:
            return {"client_secret": self.identity.secret}
        if self.identity.token_file:
            assertion = read_file(self.identity.token_file, _WHAT).strip()
            return {"client_assertion_type": _ASSERTION, "client_assertion": assertion}
        return None

    def _of_principal(self, proof: Mapping[str, str]) -> str | None:
        form = {
            "grant_type": "client_credentials",
            "client_id": self.identity.client,
            "scope": f"{self.resource}/.default",
            **proof,
        }
        url = f"{self.identity.authority}/{self.identity.tenant}/oauth2/v2.0/token"
        answer = told(Query(url, _FORM, "POST", urlencode(form).encode()), self.http, _WHAT)
        return texts(answer, _WHAT).get("access_token")

    def _of_node(self) -> str | None:
        host = self.environment.get("AZURE_POD_IDENTITY_AUTHORITY_HOST") or _NODE_SERVICE
        query = {"api-version": "2018-02-01", "resource": self.resource}
        if self.identity.client:
            query["client_id"] = self.identity.client
        url = f"{host.rstrip('/')}/metadata/identity/oauth2/token?{urlencode(query)}"
        answer = told_nearby(Query(url, {"Metadata": "true"}), self.nearby)
        return None if answer is None else texts(answer, _WHAT).get("access_token")
