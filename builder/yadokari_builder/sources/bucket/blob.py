"""Blobs of Azure's storage: `https://ACCOUNT.blob.core.windows.net/CONTAINER/BLOB`."""

import base64
import binascii
import hmac
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from urllib.parse import parse_qsl, quote, unquote, urlsplit, urlunsplit

import urllib3

from yadokari_builder.dockerfile.urls import without_credentials
from yadokari_builder.errors import ContextError
from yadokari_builder.registry.clouds.azure import AzureCredentials
from yadokari_builder.registry.clouds.exchange import Query, answered
from yadokari_builder.registry.credentials.acr import AzureIdentity
from yadokari_builder.sources.context import Location, Surroundings

_KEY = "AZURE_STORAGE_ACCESS_KEY"
_RESOURCE = "https://storage.azure.com"
_VERSION = "2021-08-06"
# Other headers that are signed; none of them is sent.
_UNUSED = "\n" * 11


@contextmanager
def open_blob(location: Location, around: Surroundings) -> Iterator[urllib3.BaseHTTPResponse]:
    """Open a blob; raises ContextError where it cannot be read, DownloadError for the network.

    A URL with a signature of its own (SAS) is taken as it is; otherwise the account's key, then a token of
    Azure is used, if there is one.
    """
    url = urlsplit(str(location))
    name = without_credentials(str(location))
    if url.fragment or "@" in url.netloc:
        raise ContextError(f"{name}: the URL of a blob has no user, and no checksum behind #")
    if url.path.count("/") < 2 or url.path.endswith("/"):
        raise ContextError(f"{name}: it names no blob, as in https://{url.netloc}/CONTAINER/BLOB")
    # As it is sent, it is what is signed.
    url = url._replace(path=quote(unquote(url.path), safe="/~"))
    proof = {} if _is_signed(url.query) else _proof(url.netloc, url.path, url.query, around)
    query = Query(urlunsplit(url), {"x-ms-version": _VERSION, **proof})
    with answered(query, around.http, name) as response:
        if response.status == 200:
            yield response
            return
        known = bool(proof) or _is_signed(url.query)
        why = "" if known else f": no credentials of Azure were found, {_KEY} for one"
        if response.status == 404:
            raise ContextError(f"{name}: there is no such blob, or no such container{why}")
        if response.status in (401, 403, 409):
            raise ContextError(f"{name} cannot be read{why or ': the credentials do not allow it'}")
        raise ContextError(f"{name}: the server answered with status {response.status}")


def shared_key(key: str, host: str, path: str, query: str, time: datetime) -> Mapping[str, str]:
    """Return the headers of a GET that an account's key signs (learn.microsoft.com, "Shared Key").

    Raises ContextError for what is no key.
    """
    account = host.partition(".")[0]
    headers = {"x-ms-date": time.strftime("%a, %d %b %Y %H:%M:%S GMT"), "x-ms-version": _VERSION}
    lines = [f"{name}:{headers[name]}" for name in sorted(headers)]
    values = sorted((name.lower(), value) for name, value in parse_qsl(query, keep_blank_values=True))
    resource = [f"/{account}{path}", *(f"{name}:{value}" for name, value in values)]
    text = f"GET{_UNUSED}\n" + "\n".join([*lines, *resource])
    try:
        secret = base64.b64decode(key, validate=True)
    except binascii.Error:
        raise ContextError(f"{_KEY} is no key: it must be in base64") from None
    signature = base64.b64encode(hmac.digest(secret, text.encode(), "sha256")).decode()
    return {**headers, "Authorization": f"SharedKey {account}:{signature}"}


def _proof(host: str, path: str, query: str, around: Surroundings) -> Mapping[str, str]:
    if key := around.environment.get(_KEY):
        return shared_key(key, host, path, query, datetime.now(UTC))
    identity = AzureIdentity.of_environment(around.environment)
    token = AzureCredentials(identity, _RESOURCE, around.environment, around.http, around.nearby).find()
    return {"Authorization": f"Bearer {token}"} if token else {}


def _is_signed(query: str) -> bool:
    return any(name == "sig" for name, _ in parse_qsl(query))
