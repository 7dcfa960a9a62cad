"""Connections as urllib3 makes them, to pinned addresses, with trust of our own and not without end."""

import http.client
import io
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.exceptions import (
    ConnectTimeoutError,
    LocationParseError,
    NameResolutionError,
    NewConnectionError,
)

from yadokari_builder.registry.http.addresses import Addresses
from yadokari_builder.registry.http.pace import Pace, Patience
from yadokari_builder.registry.http.tls import Trust
from yadokari_contract.proxies import Proxies, Proxy

_MAX_HEAD = 1024 * 1024
_DIAL_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Network:
    """What all of a build's connections have in common."""

    trust: Trust
    addresses: Addresses = field(default_factory=Addresses)
    patience: Patience = field(default_factory=Patience)
    proxies: Proxies = field(default_factory=Proxies)

    def trusting(self, trust: Trust) -> "Network":
        """Return the same network with other trust."""
        return replace(self, trust=trust)

    def pools(self, **settings: Any) -> urllib3.PoolManager:
        """Make pools of connections; `settings` are those of urllib3's `PoolManager`."""
        return _Pools(self, **settings)

    def dial(self, host: str, port: int) -> socket.socket:
        """Connect to a host for whoever finds out by himself that the right one answers; raises `OSError`."""
        try:
            return self.addresses.connect(host, port, _DIAL_SECONDS, verified=True)
        except UnicodeError:
            raise OSError(None, "this cannot be the name of a host") from None

    def learn(self, hosts: Iterable[str]) -> None:
        """Look hosts up while that can be trusted, or the proxies by which they are reached."""
        for host in hosts:
            proxies = [self.proxies.find(f"{scheme}://{host}/") for scheme in ("https", "http")]
            self.addresses.learn({host if proxy is None else proxy.host for proxy in proxies})

    def is_trusted(self, url: str) -> bool:
        """Tell whether no step can have said where a request goes."""
        proxy = self.proxies.find(url)
        return self.addresses.is_trusted(proxy.host if proxy else urlsplit(url).hostname or "")


class _Direct(urllib3.PoolManager):
    """Pools of our own kinds of connections."""

    def __init__(self, network: Network, **settings: Any) -> None:
        super().__init__(**settings)
        self._kinds: dict[str, Callable[..., Any]] = {
            "http": partial(_Connection, network),
            "https": partial(_SecureConnection, network),
        }

    def _new_pool(
        self, scheme: str, host: str, port: int, request_context: dict[str, Any] | None = None
    ) -> HTTPConnectionPool:
        pool = super()._new_pool(scheme, host, port, request_context)
        pool.ConnectionCls = self._kinds[scheme]  # type: ignore[assignment]
        return pool

    def clear(self) -> None:
        """Close all connections, which urllib3 leaves to whoever collects garbage."""
        for key in self.pools.keys():  # noqa: SIM118 - it is no mapping that can be iterated
            if pool := self.pools.get(key):
                pool.close()
        super().clear()


class _ByProxy(_Direct, urllib3.ProxyManager):
    pass


class _Pools(_Direct):
    def __init__(self, network: Network, **settings: Any) -> None:
        super().__init__(network, **settings)
        self._proxies = network.proxies
        self._by_proxy = {
            proxy.url: _by_proxy(network, proxy, settings) for proxy in network.proxies.by_scheme.values()
        }

    def urlopen(self, method: str, url: str, *arguments: Any, **settings: Any) -> urllib3.BaseHTTPResponse:
        """Send a request, by a proxy where there is one for it."""
        proxy = self._proxies.find(url)
        if proxy is None:
            return super().urlopen(method, url, *arguments, **settings)
        return self._by_proxy[proxy.url].urlopen(method, url, *arguments, **settings)

    def clear(self) -> None:
        """Close all connections."""
        super().clear()
        for pools in self._by_proxy.values():
            pools.clear()


def _by_proxy(network: Network, proxy: Proxy, settings: dict[str, Any]) -> _ByProxy:
    trust = network.trust.context() if proxy.url.startswith("https:") else None
    return _ByProxy(
        network, proxy_url=proxy.url, proxy_headers=proxy.headers, proxy_ssl_context=trust, **settings
    )


class _Connection(HTTPConnection):
    _scheme = "http"

    def __init__(self, network: Network, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self._network = network
        self.response_class = partial(_Response, network.patience)  # type: ignore[assignment]
        self._pace = Pace(network.patience)

    def request(self, *arguments: Any, **settings: Any) -> None:
        """Send a request; its body is given up where the other side takes it too slowly."""
        self._pace = Pace(self._network.patience)
        super().request(*arguments, **settings)

    def send(self, data: Any) -> None:
        """Send a part of a request."""
        if self.sock is None:
            self.connect()
        started = self._pace.now()
        super().send(data)
        self._pace.note(started, len(data))

    def _is_verified_later(self) -> bool:
        """Tell whether TLS will find out if the right one has answered: the proxy where there is one."""
        scheme = self.proxy.scheme if self.proxy else self._scheme
        return scheme == "https" and self._network.trust.verified

    def _new_conn(self) -> socket.socket:
        """Connect; urllib3's own method of this name looks the host up each time."""
        try:
            made = self._network.addresses.connect(
                self._dns_host, self.port, self.timeout, verified=self._is_verified_later()
            )
        except UnicodeError as error:
            raise LocationParseError(f"'{self.host}', which cannot be the name of a host") from error
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        except TimeoutError as error:
            raise ConnectTimeoutError(self, f"Connection to {self.host} timed out") from error
        except OSError as error:
            raise NewConnectionError(self, f"Failed to establish a new connection: {error}") from error
        for option in self.socket_options or ():
            made.setsockopt(*option)
        return made


class _SecureConnection(_Connection, HTTPSConnection):
    _scheme = "https"

    def connect(self) -> None:
        self.ssl_context = self._network.trust.context()
        # urllib3 sets the context's mode by this.
        self.cert_reqs = self.ssl_context.verify_mode
        super().connect()
        # Keeps urllib3 from warning each time: whoever wanted no certificate verified has been told.
        self.is_verified = True


class _Response(http.client.HTTPResponse):
    """An answer that does not take for ever, and whose head is bounded as a whole."""

    def __init__(self, patience: Patience, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self._stream = _Stream(self.fp.detach(), patience)
        self.fp = io.BufferedReader(self._stream)

    def begin(self) -> None:
        """Read the head; any number of interim answers may come before it."""
        self._stream.left = _MAX_HEAD
        super().begin()
        self._stream.left = None

    def _read_and_discard_trailer(self) -> None:
        self._stream.left = _MAX_HEAD
        super()._read_and_discard_trailer()  # type: ignore[misc]
        self._stream.left = None

    def _read_next_chunk_size(self) -> int:
        size: int = super()._read_next_chunk_size()  # type: ignore[misc]
        if size < 0:
            raise ValueError("a chunk of less than nothing")  # which http.client takes for a broken answer
        return size


class _Stream(io.RawIOBase):
    """What comes from a connection; `left` bounds the bytes."""

    def __init__(self, raw: io.RawIOBase, patience: Patience) -> None:
        self.left: int | None = None
        self._raw = raw
        self._pace = Pace(patience)
        self._begun = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int | None:
        started = self._pace.now()
        size = self._raw.readinto(buffer)
        # How long the other side may take to begin is bounded by the connection's timeout.
        if self._begun:
            self._pace.note(started, size or 0)
        self._begun = True
        if self.left is not None:
            self.left -= size or 0
            if self.left < 0:
                raise OSError(f"the answer's headers are longer than {_MAX_HEAD} bytes")
        return size

    def close(self) -> None:
        self._raw.close()
        super().close()
