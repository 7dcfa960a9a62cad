"""Where hosts are.

A RUN step can rewrite /etc/hosts and /etc/resolv.conf, and so say where the executor's later requests go. TLS
tells a wrong host by its certificate, plain HTTP does not.
"""

import contextlib
import ipaddress
import socket
from collections.abc import Callable, Iterable
from threading import Lock


def look_up(host: str) -> tuple[str, ...]:
    """Ask the system for a host's addresses; raises `OSError`, `UnicodeError` for what cannot be a host."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(address[0]) for *_, address in found))


class Addresses:
    """Addresses by host; a host keeps those that it was found at first. May be used by several threads."""

    def __init__(self, look_up: Callable[[str], tuple[str, ...]] = look_up) -> None:
        self._look_up = look_up
        self._lock = Lock()
        self._known: dict[str, tuple[str, ...]] = {}
        self._trusted: frozenset[str] | None = None

    def find(self, host: str) -> tuple[str, ...]:
        """Return a host's addresses; raises what looking it up does."""
        name = host.lower()
        with self._lock:
            known = self._known.get(name)
        if known is None:
            found = self._look_up(name)
            with self._lock:
                known = self._known.setdefault(name, found)
        return known

    def learn(self, hosts: Iterable[str]) -> None:
        """Look hosts up while that can be trusted; those that are not found are left to their users."""
        for host in hosts:
            with contextlib.suppress(OSError, UnicodeError):
                self.find(host)

    def freeze(self) -> None:
        """Trust no host from now on that has not been looked up before: a step is about to run."""
        with self._lock:
            self._trusted = frozenset(self._known)

    def is_trusted(self, host: str) -> bool:
        """Tell whether no step can have said where a host is."""
        return self._trusted is None or host.lower() in self._trusted or _is_address(host)

    def connect(self, host: str, port: int, timeout: float | None, *, verified: bool) -> socket.socket:
        """Connect to a host; raises what `find` does.

        With `verified` it is found out afterwards (by TLS) whether the right one has answered, so that a host
        which has left its addresses is looked up again.
        """
        known = self.find(host)
        try:
            return _connect(known, port, timeout)
        except OSError:
            moved = self._look_up_again(host, known) if verified else ()
            if not moved:
                raise
        return _connect(moved, port, timeout)

    def _look_up_again(self, host: str, known: tuple[str, ...]) -> tuple[str, ...]:
        try:
            return tuple(address for address in self._look_up(host) if address not in known)
        except OSError:
            return ()


def _connect(addresses: tuple[str, ...], port: int, timeout: float | None) -> socket.socket:
    for place, address in enumerate(addresses, 1):
        try:
            return socket.create_connection((address, port), timeout)
        except OSError:
            if place == len(addresses):
                raise
    raise OSError("it has no address")


def leads_to_node(host: str, source: str) -> bool:
    """Tell whether `source` leads to where only its own neighbours are: a node's metadata, with its keys.

    These are link-local addresses (RFC 3927, RFC 4291). What is one itself may lead there.
    """
    return _is_link_local(host) and not _is_link_local(source)


def _is_link_local(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_link_local


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return False
    return True
