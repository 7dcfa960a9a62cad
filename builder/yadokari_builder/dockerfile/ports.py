"""EXPOSE's ports: `port` or `first-last`, with a protocol; a host's address and port are read and dropped.

spec := [ [ address ":" ] [ host-ports ] ":" ] ports [ "/" protocol ]
"""

import ipaddress
import re
from dataclasses import dataclass

from yadokari_builder.dockerfile.location import LanguageError
from yadokari_builder.dockerfile.quoting import quote

_PROTOCOLS = ("tcp", "udp", "sctp")
_LARGEST = 65535


@dataclass(frozen=True, slots=True)
class PortSpec:
    """A port specification's parts; `protocol` in the case that it was written in."""

    address: str
    host_ports: str
    ports: str
    protocol: str


def parse(text: str) -> tuple[str, ...]:
    """Return the ports of a specification, as `80/tcp`; raises LanguageError."""
    spec = split(text)
    if spec.address:
        _check_address(spec.address)
    first, last = _range(spec.ports, "containerPort")
    if spec.host_ports:
        host_first, host_last = _range(spec.host_ports, "hostPort")
        if last - first != host_last - host_first and first != last:
            raise LanguageError(
                f"invalid ranges specified for container and host Ports: {spec.ports} and {spec.host_ports}",
                text,
            )
    return tuple(f"{port}/{spec.protocol.lower()}" for port in range(first, last + 1))


def split(text: str) -> PortSpec:
    """Split a specification into its parts; raises LanguageError if no port or no such protocol is there."""
    *host, container = text.split(":")
    host_ports = host[-1] if host else ""
    ports, _, protocol = container.partition("/")
    if not ports:
        raise LanguageError(f"invalid port: {quote(text)}: no port specified", text)
    if protocol and protocol.lower() not in _PROTOCOLS:
        raise LanguageError(f"invalid port: {quote(text)}: invalid proto: {protocol}", text)
    return PortSpec(":".join(host[:-1]), host_ports, ports, protocol or "tcp")


def _check_address(address: str) -> None:
    bracketed = address.startswith("[") and address.endswith("]")
    try:
        parsed = ipaddress.ip_address(address[1:-1] if bracketed else address)
    except ValueError:
        raise LanguageError(f"invalid IP address: {address}", address) from None
    if "%" in str(parsed):  # Go's ParseIP knows no zones
        raise LanguageError(f"invalid IP address: {address}", address)


def _range(text: str, what: str) -> tuple[int, int]:
    first, dash, last = text.partition("-")
    if _is_port(first) and (not dash or _is_port(last)):
        start = int(first)
        end = int(last) if dash else start
        if start <= end:
            return start, end
    raise LanguageError(f"invalid {what}: {text}", text)


def _is_port(text: str) -> bool:
    return bool(re.fullmatch(r"\+?[0-9]{1,10}", text)) and int(text) <= _LARGEST
