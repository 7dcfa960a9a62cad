"""Requests to the API server, and the ways in which they fail."""

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import urllib3
from kubernetes import client, config

from yadokari_operator.cluster.answers import bound

_CONNECT = 4
_READ = 30
"""Seconds to connect and to wait for data."""

_TOO_MANY = 429
_AGAIN = 2
_SOON = 2.0
_PAUSE = 0.5
_LONGEST_WAIT = 60.0
"""Seconds for which a server is left alone at most, whatever it asks for."""

_CONNECTIONS = 32
"""Kept open at most when what came by them has ended; more than those need who ask and have their answer."""

_CHUNK = 1 << 16

_Serialized = tuple[str, str, dict[str, str], Any, list[str]]
"""Method, URL, headers, body and form, as the client takes a request."""


class ClusterError(Exception):
    """The API server refused or failed a request; `status` is the HTTP status, 0 if there was no answer.

    `wait` is for how many seconds the server asks to be left alone.
    """

    def __init__(self, message: str, *, status: int, wait: float = 0.0) -> None:
        super().__init__(message)
        self.status = status
        self.wait = wait


class GarbledError(ClusterError):
    """What the API server answered, or whoever did in its place, cannot be read."""

    def __init__(self, message: str) -> None:
        super().__init__(message, status=0)


class Api:
    """The API server of the cluster that this operator works in; nothing is written unless `may_write`.

    It is asked by two clients: `streams` last, `answers` do not.
    """

    def __init__(
        self,
        answers: client.ApiClient,
        streams: client.ApiClient,
        may_write: Callable[[], bool] = lambda: True,
        failed: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._answers = answers
        self._streams = streams
        self._may_write = may_write
        self._failed = failed

    @classmethod
    def connect(cls, failed: Callable[[int], None]) -> "Api":
        """Use the pod's service account or, outside a cluster, the kubeconfig.

        `failed` is told the HTTP status of each answer that is an error, 0 where there was none.
        """
        settings = client.Configuration()
        try:
            config.load_incluster_config(client_configuration=settings)  # type: ignore[no-untyped-call]
        except config.ConfigException:
            config.load_kube_config(client_configuration=settings)  # type: ignore[no-untyped-call]
        return cls.of(settings, failed)

    @classmethod
    def of(cls, settings: client.Configuration, failed: Callable[[int], None] = lambda _: None) -> "Api":
        """Use the API server that these settings name."""
        # Who asks knows whether to ask again; urllib3 would, and would sleep for as long as a server says.
        settings.retries = False
        settings.connection_pool_maxsize = _CONNECTIONS
        return cls(bound(client.ApiClient(settings)), client.ApiClient(settings), failed=failed)

    def limited(self, may_write: Callable[[], bool]) -> "Api":
        """Give the same API server for one who is asked before each write."""
        return Api(self._answers, self._streams, may_write, self._failed)

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        accept: str = "application/json",
        patience: float = _READ,
    ) -> Any:
        """Make a request; gives what the answer's JSON holds. Raises `ClusterError`.

        `patience` is for how many seconds nothing may come of the answer, which may take twice that in all. A
        server that has too much to do is asked again soon, unless it wants to be left alone for longer.
        """
        for _ in range(_AGAIN):
            try:
                return self._request(method, path, query, body, accept, patience)
            except ClusterError as error:
                if error.status != _TOO_MANY or error.wait > _SOON:
                    raise
                time.sleep(error.wait or _PAUSE)
        return self._request(method, path, query, body, accept, patience)

    def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: Any,
        accept: str,
        patience: float,
    ) -> Any:
        if method != "GET" and not self._may_write():
            raise ClusterError(f"{method} {path}: this operator does not lead by now", status=0)
        with _failures_of(f"{method} {path}"):
            response = self._call(method, path, query, body, accept, patience)
            data: bytes = response.data
        _check(response, data)
        return _value(data, f"{method} {path}")

    def find(self, path: str, patience: float = _READ) -> Any:
        """Read a resource; `None` if there is none. Raises `ClusterError`."""
        try:
            return self.request("GET", path, patience=patience)
        except ClusterError as error:
            if error.status == 404:
                return None
            raise

    @contextlib.contextmanager
    def stream(
        self, path: str, *, query: Mapping[str, str], accept: str, silence: float
    ) -> Iterator[Iterator[Any]]:
        """Open a stream of JSON values, one a line, which lasts until the server ends it.

        Raises `ClusterError`, also while it is read and when nothing has come for `silence` seconds.
        """
        with _failures_of(f"GET {path}"):
            response = self._follow(path, query, accept, silence)
            try:
                if response.status >= 400:
                    _check(response, response.data)
                yield (_value(line, f"GET {path}") for line in _split(response.stream(_CHUNK)))
            finally:
                response.close()

    @contextlib.contextmanager
    def text(self, path: str, *, query: Mapping[str, str], silence: float) -> Iterator[Iterator[bytes]]:
        """Open a stream of text, in pieces as they come, which lasts until the server ends it.

        Raises `ClusterError`, also while it is read and when nothing has come for `silence` seconds.
        """
        with _failures_of(f"GET {path}"):
            response = self._follow(path, query, "*/*", silence)
            try:
                if response.status >= 400:
                    _check(response, response.data)
                yield response.stream(_CHUNK)
            finally:
                response.close()

    def _call(
        self, method: str, path: str, query: Mapping[str, str] | None, body: Any, accept: str, read: float
    ) -> urllib3.BaseHTTPResponse:
        return self._sent(self._answers, self._request_for(method, path, query, body, accept), read)

    def _follow(
        self, path: str, query: Mapping[str, str], accept: str, silence: float
    ) -> urllib3.BaseHTTPResponse:
        return self._sent(self._streams, self._request_for("GET", path, query, None, accept), silence)

    def _request_for(
        self, method: str, path: str, query: Mapping[str, str] | None, body: Any, accept: str
    ) -> _Serialized:
        return self._answers.param_serialize(
            method,
            path,
            query_params=list((query or {}).items()),
            header_params={"Accept": accept, "Content-Type": "application/json"},
            body=body,
            auth_settings=["BearerToken"],
        )

    def _sent(self, api: client.ApiClient, request: _Serialized, read: float) -> urllib3.BaseHTTPResponse:
        response: urllib3.BaseHTTPResponse
        try:
            response = api.call_api(*request, _request_timeout=(_CONNECT, read)).response
        except urllib3.exceptions.HTTPError:
            self._failed(0)
            raise
        if response.status >= 400:
            self._failed(response.status)
        return response


@contextlib.contextmanager
def _failures_of(what: str) -> Iterator[None]:
    """Turn the ways in which the client fails into `ClusterError`."""
    try:
        yield
    except (urllib3.exceptions.HTTPError, client.ApiException) as error:
        raise ClusterError(f"{what}: {error}", status=0) from error


def _value(data: bytes, what: str) -> Any:
    """Read JSON. Raises `GarbledError`: the page of a proxy is none, nor is what was cut."""
    try:
        return json.loads(data)
    except ValueError as error:
        raise GarbledError(f"{what}: the answer is no JSON") from error


def _check(response: urllib3.BaseHTTPResponse, data: bytes) -> None:
    """Raise `ClusterError` for an answer that is one: a Status resource, or whatever stood in between."""
    status = response.status
    if status < 400:
        return
    try:
        message = str(json.loads(data)["message"])
    except (ValueError, KeyError, TypeError):
        message = f"HTTP status {status}: {data[:200].decode(errors='replace')}"
    asked = response.headers.get("Retry-After", "")
    wait = float(asked) if asked.isascii() and asked.isdecimal() else 0.0
    raise ClusterError(message, status=status, wait=min(wait, _LONGEST_WAIT))


def _split(chunks: Iterator[bytes]) -> Iterator[bytes]:
    rest: list[bytes] = []
    for chunk in chunks:
        *ended, last = chunk.split(b"\n")
        for line in ended:
            yield b"".join([*rest, line])
            rest = []
        rest.append(last)
