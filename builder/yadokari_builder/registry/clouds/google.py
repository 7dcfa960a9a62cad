"""Access tokens of Google, looked for where its own programs look (cloud.google.com, "ADC")."""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import urllib3

from yadokari_builder.errors import ContextError
from yadokari_builder.registry.clouds.exchange import Query, read_file, texts, told, told_nearby
from yadokari_builder.registry.clouds.rsa import PrivateKey

_WHAT = "credentials of Google"
_FILE = "GOOGLE_APPLICATION_CREDENTIALS"
READ_STORAGE = "https://www.googleapis.com/auth/devstorage.read_only"
PLATFORM = "https://www.googleapis.com/auth/cloud-platform"
"""What a token may be good for."""
_GRANT = "urn:ietf:params:oauth:grant-type:"
_METADATA = "metadata.google.internal"
_TOKEN = "computeMetadata/v1/instance/service-accounts/default/token"  # noqa: S105 (a path)
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_TOKEN_SERVICE = "https://oauth2.googleapis.com/token"  # noqa: S105 (an address)
_LIFETIME = 3600


@dataclass(frozen=True, slots=True)
class GoogleToken:
    """An access token, and for how many seconds it is good from now on."""

    text: str = field(repr=False)
    life: float = _LIFETIME

    @classmethod
    def parse(cls, answer: bytes) -> "GoogleToken":
        """Read what Google answers; raises `KeyError` or `ValueError` where there is no token in it."""
        text = texts(answer, _WHAT)["access_token"]
        life = json.loads(answer).get("expires_in", _LIFETIME)
        if not isinstance(life, int | float):
            raise ValueError("expires_in is no number")
        return cls(text, float(life))


@dataclass(frozen=True, slots=True)
class GoogleCredentials:
    """Looks for a token for a scope, such as `PLATFORM`.

    `nearby` are connections without a proxy, `now` is in seconds since the epoch. `given` is the text of a
    file of credentials, which counts more than where else they may be.
    """

    scope: str
    environment: Mapping[str, str]
    http: urllib3.PoolManager
    nearby: urllib3.PoolManager
    now: Callable[[], float]
    given: str = field(default="", repr=False)

    def find(self) -> GoogleToken | None:
        """Return a token, None where there is none; raises ContextError for one that cannot be had."""
        if self.given:
            return self._of_text(self.given)
        file = self.environment.get(_FILE)
        if file:
            return self._of_file(file)
        return self._of_node()

    def _of_file(self, file: str) -> GoogleToken:
        try:
            parsed: Any = json.loads(Path(file).read_text())
        except (OSError, ValueError):
            raise ContextError(f"{_WHAT}: {file}, which {_FILE} names, cannot be read") from None
        return self._of(parsed, file)

    def _of_text(self, text: str) -> GoogleToken:
        try:
            parsed: Any = json.loads(text)
        except ValueError:
            raise ContextError(f"{_WHAT}: what was given is no JSON") from None
        return self._of(parsed, "what was given")

    def _of(self, parsed: Any, file: str) -> GoogleToken:
        kinds = {
            "service_account": self._of_key,
            "authorized_user": self._of_user,
            "external_account": self._of_federation,
        }
        kind = parsed.get("type") if isinstance(parsed, dict) else None
        if kind not in kinds:
            raise ContextError(
                f"{_WHAT}: {file} is of a kind that is not supported: it can be {', '.join(kinds)}"
            )
        try:
            return kinds[kind](parsed)
        except (KeyError, TypeError, ValueError, AttributeError):
            raise ContextError(f"{_WHAT}: {file} is not complete, or not of Google's form") from None

    def _of_key(self, account: Mapping[str, Any]) -> GoogleToken:
        service = account.get("token_uri") or _TOKEN_SERVICE
        now = int(self.now())
        claims = {
            "iss": account["client_email"],
            "scope": self.scope,
            "aud": service,
            "iat": now,
            "exp": now + _LIFETIME,
        }
        text = ".".join(map(_part, ({"alg": "RS256", "typ": "JWT"}, claims)))
        signature = PrivateKey.parse(account["private_key"]).sign(text.encode())
        form = {"grant_type": f"{_GRANT}jwt-bearer", "assertion": f"{text}.{_encoded(signature)}"}
        return self._exchanged(service, form)

    def _of_user(self, user: Mapping[str, Any]) -> GoogleToken:
        names = ("client_id", "client_secret", "refresh_token")
        form = {"grant_type": "refresh_token", **{name: user[name] for name in names}}
        return self._exchanged(user.get("token_uri") or _TOKEN_SERVICE, form)

    def _of_federation(self, account: Mapping[str, Any]) -> GoogleToken:
        """Exchange a service account's token of the cluster (workload identity federation)."""
        source = account["credential_source"]
        subject = read_file(source["file"], _WHAT)
        if source.get("format", {}).get("type") == "json":
            subject = json.loads(subject)[source["format"]["subject_token_field_name"]]
        form = {
            "grant_type": f"{_GRANT}token-exchange",
            "audience": account["audience"],
            "scope": PLATFORM,
            "requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
            "subject_token": subject.strip(),
            "subject_token_type": account["subject_token_type"],
        }
        token = self._exchanged(account["token_url"], form)
        impersonation = account.get("service_account_impersonation_url")
        if not impersonation:
            return token
        body = json.dumps({"scope": [self.scope]}).encode()
        headers = {"Authorization": f"Bearer {token.text}", "Content-Type": "application/json"}
        answer = told(
            Query(impersonation, headers, "POST", body), self.http, f"{_WHAT} for a service account"
        )
        return GoogleToken(texts(answer, _WHAT)["accessToken"])

    def _of_node(self) -> GoogleToken | None:
        host = self.environment.get("GCE_METADATA_HOST") or _METADATA
        query = Query(f"http://{host}/{_TOKEN}", {"Metadata-Flavor": "Google"})
        answer = told_nearby(query, self.nearby)
        try:
            return None if answer is None else GoogleToken.parse(answer)
        except (KeyError, ValueError, ContextError):
            # What answers everything is not Google's service.
            return None

    def _exchanged(self, service: str, form: Mapping[str, str]) -> GoogleToken:
        answer = told(Query(service, _FORM, "POST", urlencode(form).encode()), self.http, _WHAT)
        return GoogleToken.parse(answer)


def _part(values: Mapping[str, Any]) -> str:
    return _encoded(json.dumps(values).encode())


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
