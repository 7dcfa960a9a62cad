"""Objects of S3, and of storages that speak its protocol."""

import ipaddress
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit

import urllib3

from yadokari_builder.errors import ContextError
from yadokari_builder.registry.clouds.aws import AwsCredentials, read_region
from yadokari_builder.registry.clouds.exchange import Query, answered
from yadokari_builder.registry.clouds.signature import AwsKeys, signed
from yadokari_builder.sources.context import Surroundings

_DEFAULT_REGION = "us-east-1"
_REGION = "x-amz-bucket-region"


@dataclass(frozen=True, slots=True)
class S3Object:
    """An object; `endpoint` is another server's address, "" for AWS itself."""

    bucket: str
    key: str
    region: str
    endpoint: str = ""
    by_path: bool = False

    @property
    def url(self) -> str:
        """Where it is, by the bucket's own host unless that cannot be."""
        parts = urlsplit(self.endpoint or f"https://s3.{self.region}.amazonaws.com")
        path = quote(self.key, safe="/~")
        if self.by_path or "." in self.bucket or _is_address(parts.hostname or ""):
            return f"{parts.scheme}://{parts.netloc}/{self.bucket}/{path}"
        return f"{parts.scheme}://{self.bucket}.{parts.netloc}/{path}"


@contextmanager
def open_s3(bucket: str, key: str, around: Surroundings, name: str) -> Iterator[urllib3.BaseHTTPResponse]:
    """Open an object; raises ContextError where it cannot be read, DownloadError for the network."""
    get = around.environment.get
    endpoint = get("S3_ENDPOINT") or get("AWS_ENDPOINT_URL_S3") or get("AWS_ENDPOINT_URL") or ""
    by_path = get("S3_FORCE_PATH_STYLE", "").lower() == "true"
    wanted = S3Object(
        bucket, key, read_region(around.environment) or _DEFAULT_REGION, endpoint.rstrip("/"), by_path
    )
    keys = AwsCredentials(around.environment, around.http, around.nearby).find()
    with answered(_query(wanted, keys), around.http, name) as response:
        region = response.headers.get(_REGION, "")
        if response.status == 200:
            yield response
            return
        if not (response.status in (301, 307, 400) and region and region != wanted.region and not endpoint):
            raise _refused(response.status, name, bucket, is_known=keys is not None)
    with answered(_query(replace(wanted, region=region), keys), around.http, name) as response:
        if response.status != 200:
            raise _refused(response.status, name, bucket, is_known=keys is not None)
        yield response


def _query(wanted: S3Object, keys: AwsKeys | None) -> Query:
    if keys is None:
        return Query(wanted.url)
    return Query(wanted.url, signed(wanted.url, keys, wanted.region, "s3", datetime.now(UTC)))


def _refused(status: int, name: str, bucket: str, *, is_known: bool) -> ContextError:
    if status == 404:
        return ContextError(f"{name}: there is no such object in the bucket {bucket}, or no such bucket")
    if status == 403:
        # Who may not list a bucket is not told what is missing in it.
        why = "the credentials do not allow it" if is_known else "no credentials of AWS were found"
        return ContextError(f"{name} cannot be read, or there is no such object: {why}")
    return ContextError(f"{name}: the server answered with status {status}")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost"
    return True
