"""Proxies as HTTPS_PROXY, HTTP_PROXY and NO_PROXY name them, which Go's programs read in the same way.

What NO_PROXY lists, with commas between:

    *               everything
    10.0.0.0/8      addresses of a network
    example.com     a host, and all those below it
    .example.com    those below it alone
    any of them with ":" and a port at its end
"""

import base64
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urlsplit

PORTS = {"http": 80, "https": 443}


class ProxyError(ValueError):
    """A variable names no proxy that can be used; the text says which one and why, and never its value."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy: its URL without credentials, and the headers that it gets."""

    url: str
    host: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Proxies:
    """Which requests go by which proxy; `exempt` are NO_PROXY's parts in lower case."""

    by_scheme: Mapping[str, Proxy] = field(default_factory=dict)
    exempt: tuple[str, ...] = ()

    def find(self, url: str) -> Proxy | None:
        """Return the proxy for a URL; None where the host itself is asked, and for what is no URL."""
        try:
            parts = urlsplit(url)
            host, port = (parts.hostname or "").rstrip("."), parts.port or PORTS.get(parts.scheme, 0)
        except ValueError:
            return None
        proxy = self.by_scheme.get(parts.scheme)
        return None if proxy is None or self._is_exempt(host, port) else proxy

    def _is_exempt(self, host: str, port: int) -> bool:
        address = _address(host)
        if host == "localhost" or (address and address.is_loopback):
            return True
        return any(_exempts(entry, host, address, port) for entry in self.exempt)


_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def read_proxies(environment: Mapping[str, str]) -> Proxies:
    """Read the proxies; names in capitals count before those in lower case. Raises `ProxyError`."""
    found = {}
    for scheme in PORTS:
        for name in (f"{scheme.upper()}_PROXY", f"{scheme}_proxy"):
            if environment.get(name) and scheme not in found:
                found[scheme] = _parse_proxy(environment[name].strip(), name)
    exempt = environment.get("NO_PROXY") or environment.get("no_proxy", "")
    return Proxies(found, tuple(filter(None, (entry.strip().lower() for entry in exempt.split(",")))))


def _parse_proxy(text: str, name: str) -> Proxy:
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        port = parts.port or PORTS.get(parts.scheme, 0)
    except ValueError:
        raise ProxyError(f"{name} is not the URL of a proxy") from None
    if parts.scheme not in PORTS:
        raise ProxyError(f"{name}: only proxies over http:// and https:// can be used")
    if not parts.hostname:
        raise ProxyError(f"{name} names no host")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return Proxy(f"{parts.scheme}://{host}:{port}", parts.hostname, _headers(parts))


def _headers(parts: SplitResult) -> Mapping[str, str]:
    if parts.username is None:
        return {}
    user = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return {"proxy-authorization": f"Basic {base64.b64encode(user.encode()).decode()}"}


def _exempts(entry: str, host: str, address: _Address | None, port: int) -> bool:
    if entry == "*":
        return True
    network = _network(entry)
    if network is not None:
        return address is not None and address in network
    pattern, only = _split_port(entry)
    if only and only != port:
        return False
    known = _address(pattern)
    if known is not None or address is not None:
        return known == address
    pattern = pattern.removeprefix("*")
    if pattern.startswith("."):
        return host.endswith(pattern)
    return host == pattern or host.endswith(f".{pattern}")


def _split_port(entry: str) -> tuple[str, int]:
    host, colon, port = entry.rpartition(":")
    if colon and port.isascii() and port.isdigit() and (":" not in host or host.endswith("]")):
        return host, int(port[:6])
    return entry, 0


def _address(host: str) -> _Address | None:
    try:
        return ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None


def _network(entry: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(entry, strict=False) if "/" in entry else None
    except ValueError:
        return None
