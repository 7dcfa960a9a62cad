"""Answers that must be there within a time, however they come.

What waits for the next byte has a time limit of its own; a server, or a proxy before it, that sends one now
and then would never reach it.
"""

import http.client
import io
import socket
import time
from typing import Any

from kubernetes import client
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

_WHOLE = 2
"""How many times as long an answer may take in all as is waited for its next byte."""


def bound(api: client.ApiClient) -> client.ApiClient:
    """Have a client give up, by `TimeoutError`, on answers that take too long in all; gives it back."""
    api.rest_client.pool_manager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}
    return api


class _Bounded(io.RawIOBase):
    """What comes by a socket, until the time for it is over."""

    def __init__(self, connection: socket.socket) -> None:
        self._raw = connection.makefile("rb", buffering=0)
        self._socket = connection
        self._patience = connection.gettimeout() or 0.0
        self._end = time.monotonic() + _WHOLE * self._patience

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"the answer was not there within {_WHOLE * self._patience:.0f} s")
        self._socket.settimeout(min(left, self._patience))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Answer(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *arguments: Any, **more: Any) -> None:
        super().__init__(sock, *arguments, **more)
        self.fp.close()
        self.fp = io.BufferedReader(_Bounded(sock))


class _Connection(HTTPConnection):
    response_class = _Answer


class _SecureConnection(HTTPSConnection):
    response_class = _Answer


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection
