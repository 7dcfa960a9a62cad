"""What the clouds lend the executor for their registries."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlencode

import urllib3

from yadokari_builder.errors import ContextError, DownloadError, RegistryError
from yadokari_builder.registry.clouds.aws import AwsCredentials
from yadokari_builder.registry.clouds.azure import AzureCredentials
from yadokari_builder.registry.clouds.exchange import Query, texts, told
from yadokari_builder.registry.clouds.google import PLATFORM, GoogleCredentials
from yadokari_builder.registry.clouds.signature import signed
from yadokari_builder.registry.credentials import gcr
from yadokari_builder.registry.credentials.acr import AzureIdentity
from yadokari_builder.registry.credentials.cloud import Lease
from yadokari_builder.registry.credentials.credential import Credential
from yadokari_builder.registry.credentials.ecr import EcrService, read_password

_JSON = "application/x-amz-json-1.1"
_ACR_RESOURCE = "https://containerregistry.azure.net"
# A registry's token lasts for three hours.
_ACR_LIFE = 2 * 3600.0


@dataclass(frozen=True, slots=True)
class Google:
    """Lends what Google gives the build's own account."""

    environment: Mapping[str, str]
    http: urllib3.PoolManager
    nearby: urllib3.PoolManager

    def lend(self, _: str) -> Lease | None:
        """Return a token for any registry of Google's; None where nobody asks. Raises `RegistryError`."""
        with _as_of_registries():
            token = GoogleCredentials(PLATFORM, self.environment, self.http, self.nearby, time.time).find()
        return Lease(gcr.show(token.text), token.life) if token else None


@dataclass(frozen=True, slots=True)
class Ecr:
    """Lends what AWS gives for keys that are found where its own programs look."""

    environment: Mapping[str, str]
    http: urllib3.PoolManager
    nearby: urllib3.PoolManager

    def lend(self, registry: str) -> Lease | None:
        """Return a registry's password; None where nobody asks. Raises `RegistryError`."""
        service = EcrService.of(registry)
        with _as_of_registries():
            keys = AwsCredentials(self.environment, self.http, self.nearby).find() if service else None
            if service is None or keys is None:
                return None
            get = self.environment.get
            name = f"AWS_ENDPOINT_URL_{service.name.replace('-', '_').upper()}"
            url = get(name) or get("AWS_ENDPOINT_URL") or service.url
            headers = {"content-type": _JSON, "x-amz-target": service.action}
            now = datetime.now(UTC)
            headers |= signed(
                url, keys, service.region, service.name, now, method="POST", body=b"{}", headers=headers
            )
            answer = told(Query(url, headers, "POST", b"{}"), self.http, f"the password of {registry}")
        return read_password(answer, time.time())


@dataclass(frozen=True, slots=True)
class Acr:
    """Exchanges what Azure says of an identity for a registry's token (azure.github.io/acr, "AAD-OAuth")."""

    identity: AzureIdentity
    environment: Mapping[str, str]
    http: urllib3.PoolManager
    nearby: urllib3.PoolManager
    origin: Callable[[str], str] = "https://{}".format

    def lend(self, registry: str) -> Lease | None:
        """Return a registry's token; None where nobody asks. Raises `RegistryError`."""
        with _as_of_registries():
            token = AzureCredentials(
                self.identity, _ACR_RESOURCE, self.environment, self.http, self.nearby
            ).find()
            if not token:
                return None
            form = {"grant_type": "access_token", "service": registry, "access_token": token}
            if self.identity.tenant:
                form["tenant"] = self.identity.tenant
            what = f"the token of {registry}"
            answer = self._told(f"{self.origin(registry)}/oauth2/exchange", form, what)
            refresh = texts(answer, what).get("refresh_token")
        if not refresh:
            raise RegistryError(f"{registry} gives no token for what Azure says of this build")
        return Lease(Credential(identity_token=refresh), _ACR_LIFE)

    def _told(self, url: str, form: Mapping[str, str], what: str) -> bytes:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return told(Query(url, headers, "POST", urlencode(form).encode()), self.http, what)


@contextmanager
def _as_of_registries() -> Iterator[None]:
    """Turn what hinders the asking into errors of registries."""
    try:
        yield
    except DownloadError as error:
        raise RegistryError(error.message, temporary=True) from error
    except ContextError as error:
        raise RegistryError(error.message) from error
