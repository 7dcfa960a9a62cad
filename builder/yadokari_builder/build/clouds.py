"""The clouds' registries: who the executor is there, and what it is lent."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import urllib3

from yadokari_builder.errors import ContextError, RegistryError
from yadokari_builder.registry.credentials.cloud import Cloud, Lease
from yadokari_builder.registry.credentials.credential import Place
from yadokari_builder.registry.credentials.ecr import EcrService, read_password
from yadokari_builder.registry.http.connections import Network
from yadokari_builder.registry.http.proxies import Proxies
from yadokari_builder.sources.bucket.aws import AwsCredentials
from yadokari_builder.sources.bucket.exchange import Query, told
from yadokari_builder.sources.bucket.signature import signed
from yadokari_builder.sources.web import DownloadError

_JSON = "application/x-amz-json-1.1"


def cloud_places(environment: Mapping[str, str], network: Network) -> Mapping[str, Callable[[], Place]]:
    """Return what makes the place of each kind of cloud that `--credential-helpers` can name."""

    def make_ecr() -> Place:
        # Services of the node are asked directly.
        nearby = replace(network, proxies=Proxies()).pools()
        ecr = _Ecr(environment, network.pools(), nearby)
        return Cloud(lambda registry: EcrService.of(registry) is not None, ecr.lend)

    return {"ecr": make_ecr}


@dataclass(frozen=True, slots=True)
class _Ecr:
    environment: Mapping[str, str]
    http: urllib3.PoolManager
    nearby: urllib3.PoolManager

    def lend(self, registry: str) -> Lease | None:
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


@contextmanager
def _as_of_registries() -> Iterator[None]:
    """Turn what hinders the asking into errors of registries."""
    try:
        yield
    except DownloadError as error:
        raise RegistryError(error.message, temporary=True) from error
    except ContextError as error:
        raise RegistryError(error.message) from error
