"""Requests to storages and to those that give out credentials for them."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import urllib3

from yadokari_builder.errors import ContextError, DownloadError
from yadokari_builder.registry.http.transport import describe_failure

_TRY_AGAIN = frozenset({408, 429, 500, 502, 503, 504})
_TIMEOUT = urllib3.Timeout(connect=30, read=120)
# Where there is no such service nothing answers at all.
_NEARBY_TIMEOUT = urllib3.Timeout(connect=2, read=10)
_MAX_ANSWER = 1 << 20


@dataclass(frozen=True, slots=True)
class Query:
    """A request; headers, address and body may hold secrets and are never shown."""

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    method: str = "GET"
    body: bytes = field(default=b"", repr=False)


@contextmanager
def answered(query: Query, http: urllib3.PoolManager, name: str) -> Iterator[urllib3.BaseHTTPResponse]:
    """Send a request about what errors call `name`, and give its answer, whatever its status.

    Redirects are not followed. Raises DownloadError where trying again may help, also while it is read.
    """
    try:
        response = http.request(
            query.method,
            query.url,
            headers=dict(query.headers),
            body=query.body or None,
            redirect=False,
            preload_content=False,
            timeout=_TIMEOUT,
        )
        try:
            if response.status in _TRY_AGAIN:
                raise DownloadError(f"{name}: the server answered with status {response.status}")
            yield response
        finally:
            response.close()
    except urllib3.exceptions.HTTPError as error:
        # The texts of errors that have a reason quote the URL, those of the reasons do not.
        cause = getattr(error, "reason", None) or error
        raise DownloadError(f"{name} cannot be fetched: {describe_failure(cause)}") from None


def told(query: Query, http: urllib3.PoolManager, what: str) -> bytes:
    """Return what a service that gives out `what` answers; raises ContextError if it refuses."""
    with answered(query, http, what) as response:
        data = response.read(_MAX_ANSWER)
        if response.status != 200:
            raise ContextError(f"{what}: refused with status {response.status}")
        return data


def told_nearby(query: Query, http: urllib3.PoolManager) -> bytes | None:
    """Return what a service of the node or the pod answers, None where there is none."""
    try:
        response = http.request(
            query.method,
            query.url,
            headers=dict(query.headers),
            redirect=False,
            retries=False,
            preload_content=False,
            timeout=_NEARBY_TIMEOUT,
        )
        try:
            return response.read(_MAX_ANSWER) if response.status == 200 else None
        finally:
            response.close()
    except urllib3.exceptions.HTTPError:
        return None


def read_file(file: str, what: str) -> str:
    """Read a file that has a part in giving out `what`; raises ContextError."""
    try:
        return Path(file).read_text()
    except (OSError, UnicodeDecodeError):
        raise ContextError(f"{what}: {file} cannot be read") from None


def texts(data: bytes, what: str) -> dict[str, str]:
    """Read a JSON object and return what in it is text; raises ContextError."""
    try:
        parsed: Any = json.loads(data)
    except ValueError:
        parsed = None
    if not isinstance(parsed, dict):
        raise ContextError(f"{what}: this is no JSON object")
    return {name: value for name, value in parsed.items() if isinstance(value, str)}
