"""Servers' public keys, as known_hosts files have them (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT").

    line  := [ marker ] hosts type base64 [ comment ]
    hosts := pattern *( "," pattern ) | "|1|" salt "|" hash

Lines of `@cert-authority` do not count: hosts show keys, no certificates.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterator
from dataclasses import dataclass

from yadokari_builder.errors import ContextError

DEFAULT_PORT = 22

_HASHED = "|1|"
_REVOKED = "@revoked"
_AUTHORITY = "@cert-authority"


@dataclass(frozen=True, slots=True)
class HostKey:
    """A public key in ssh's encoding (RFC 4253, section 6.6)."""

    blob: bytes

    @property
    def kind(self) -> str:
        """Its type, such as `ssh-ed25519`."""
        size = int.from_bytes(self.blob[:4])
        return self.blob[4 : 4 + size].decode("ascii", "replace")

    @property
    def fingerprint(self) -> str:
        """What ssh-keygen -l shows."""
        return "SHA256:" + base64.b64encode(hashlib.sha256(self.blob).digest()).decode().rstrip("=")

    def line(self, host: str) -> str:
        """Return the line of a known_hosts file that makes it the key of a host."""
        return f"{host} {self.kind} {base64.b64encode(self.blob).decode()}"


@dataclass(frozen=True, slots=True)
class _Entry:
    marker: str
    hosts: str
    key: HostKey

    def names(self, host: str) -> bool:
        if self.hosts.startswith(_HASHED):
            return _is_hash_of(host, self.hosts)
        patterns = self.hosts.split(",")
        refused = any(_matches(pattern[1:], host) for pattern in patterns if pattern.startswith("!"))
        return not refused and any(_matches(pattern, host) for pattern in patterns)


@dataclass(frozen=True, slots=True)
class KnownHosts:
    """Which server has which keys; hosts are named as `host_name` names them."""

    entries: tuple[_Entry, ...] = ()

    @classmethod
    def parse(cls, text: str, name: str) -> "KnownHosts":
        """Read a file's text, which errors call `name`; raises ContextError."""
        return cls(tuple(_entries(text, name)))

    def keys(self, host: str) -> tuple[HostKey, ...]:
        """Return the keys that a host may show."""
        revoked = self._marked(host, _REVOKED)
        return tuple(key for key in self._marked(host, "") if key not in revoked)

    def is_revoked(self, host: str, key: HostKey) -> bool:
        """Tell whether a key must not be trusted whoever shows it."""
        return key in self._marked(host, _REVOKED)

    def _marked(self, host: str, marker: str) -> list[HostKey]:
        return [entry.key for entry in self.entries if entry.marker == marker and entry.names(host)]


def host_name(host: str, port: int) -> str:
    """Return how known_hosts files name a server."""
    host = host.lower()
    return host if port == DEFAULT_PORT else f"[{host}]:{port}"


def _entries(text: str, name: str) -> Iterator[_Entry]:
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        marker = words.pop(0) if words[0].startswith("@") else ""
        try:
            hosts, kind, encoded, *_ = words
            key = HostKey(base64.b64decode(encoded, validate=True))
        except (ValueError, binascii.Error):
            raise ContextError(f"{name}: line {number} has not the form HOST TYPE KEY") from None
        if marker not in ("", _REVOKED, _AUTHORITY) or key.kind != kind:
            raise ContextError(f"{name}: line {number} is no key of a host")
        yield _Entry(marker, hosts, key)


def _matches(pattern: str, host: str) -> bool:
    expression = "".join({"*": ".*", "?": "."}.get(letter, re.escape(letter)) for letter in pattern.lower())
    return re.fullmatch(expression, host) is not None


def _is_hash_of(host: str, hashed: str) -> bool:
    salt, _, expected = hashed.removeprefix(_HASHED).partition("|")
    try:
        found = hmac.new(base64.b64decode(salt), host.encode(), "sha1").digest()
        return hmac.compare_digest(found, base64.b64decode(expected))
    except binascii.Error:
        return False
