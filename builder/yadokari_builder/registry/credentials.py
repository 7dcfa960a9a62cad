"""Credentials for registries, as Docker's config.json and Kubernetes' Secrets hold them.

`auths` maps a registry, or a registry and the beginning of a repository's path, to a user name and password
or to a token; the longest key that fits counts, and a host may hold `*` for one of its labels, as in
Kubernetes. Credential helpers are programs that the executor has not got: they are mentioned where a registry
refuses a request for want of credentials, and are in nobody's way before.
"""

import base64
import binascii
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Any

from yadokari_builder.errors import UsageError
from yadokari_builder.oci.reference import DOCKER_HUB

_ENTRY_FIELDS = frozenset({"auth", "username", "password", "identitytoken", "registrytoken"})
_HUB_HOSTS = frozenset({DOCKER_HUB, "index.docker.io", "registry-1.docker.io"})


class InvalidCredentialsError(UsageError):
    """A text is not what Docker's config.json looks like. The error never quotes it."""


@dataclass(frozen=True, slots=True)
class Credential:
    """What to show a registry: a user name and password, or one of two kinds of token.

    An identity token is exchanged for bearer tokens, a registry token is itself a bearer token.
    """

    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    registry_token: str = field(default="", repr=False)

    def basic(self) -> str:
        """Return the value of an Authorization header of the Basic scheme (RFC 7617)."""
        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()

    def secrets(self) -> tuple[str, ...]:
        """Return what must not be shown to anybody."""
        held = (self.password, self.identity_token, self.registry_token)
        return tuple(filter(None, (*held, self.basic().removeprefix("Basic "))))


@dataclass(frozen=True, slots=True)
class Credentials:
    """Credentials by key (`host` or `host/path`), and the helpers that a file names instead of them."""

    by_key: Mapping[str, Credential] = field(default_factory=lambda: MappingProxyType({}))
    helpers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    default_helper: str = ""

    @classmethod
    def parse(cls, text: str, what: str) -> "Credentials":
        """Read the JSON text of a config.json; `what` names it in errors (`InvalidCredentialsError`)."""
        data = _load(text, what)
        auths = _object(data, "auths", what)
        by_key = {_key(key): _credential(auths, key, what) for key in auths}
        helpers = {_key(key): str(helper) for key, helper in _object(data, "credHelpers", what).items()}
        return cls(
            MappingProxyType({key: credential for key, credential in by_key.items() if credential}),
            MappingProxyType(helpers),
            str(data.get("credsStore") or ""),
        )

    def merged(self, other: "Credentials") -> "Credentials":
        """Return these and others; where both have a key, these count."""
        return Credentials(
            MappingProxyType({**other.by_key, **self.by_key}),
            MappingProxyType({**other.helpers, **self.helpers}),
            self.default_helper or other.default_helper,
        )

    def find(self, registry: str, repository: str) -> Credential | None:
        """Return the credential whose key fits a repository best; None if there is none."""
        key = _best_key(self.by_key, registry, repository)
        return None if key is None else self.by_key[key]

    def helper(self, registry: str, repository: str) -> str:
        """Return the name of the helper that would know the credential; "" if there is none."""
        key = _best_key(self.helpers, registry, repository)
        return self.default_helper if key is None else self.helpers[key]


def _best_key(keys: Iterable[str], registry: str, repository: str) -> str | None:
    host = _canonical_host(registry)
    fitting = [key for key in keys if _fits(key, host, repository)]
    return max(fitting, key=_specificity, default=None)


def _fits(key: str, host: str, repository: str) -> bool:
    pattern, _, path = key.partition("/")
    labels, wanted = host.split("."), pattern.split(".")
    same_host = len(labels) == len(wanted) and all(map(fnmatchcase, labels, wanted))
    return same_host and (not path or f"{repository}/".startswith(f"{path}/"))


def _specificity(key: str) -> tuple[int, bool, str]:
    host, _, path = key.partition("/")
    return len(path), "*" not in host, key


def _key(text: str) -> str:
    """Bring a key into the form `host[/path]`, without scheme and the version of the registry's API."""
    host, _, path = text.partition("://")[2 if "://" in text else 0].partition("/")
    path = path.strip("/")
    for version in ("v1", "v2"):
        if path == version or path.startswith(f"{version}/"):
            path = path[3:]
    host = _canonical_host(host)
    return f"{host}/{path}" if path else host


def _canonical_host(host: str) -> str:
    host = host.lower()
    return DOCKER_HUB if host in _HUB_HOSTS else host


def _load(text: str, what: str) -> dict[str, Any]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        raise InvalidCredentialsError(f"{what} is not JSON") from None
    if not isinstance(data, dict):
        raise InvalidCredentialsError(f"{what} is not a JSON object")
    return data


def _object(data: Mapping[str, Any], name: str, what: str) -> dict[str, Any]:
    value = data.get(name) or {}
    if not isinstance(value, dict):
        raise InvalidCredentialsError(f"{what}: {name} is not an object")
    return value


def _credential(auths: Mapping[str, Any], key: str, what: str) -> Credential | None:
    """Read one entry; None where it holds nothing, as `docker login` leaves it beside a helper."""
    where = f"{what}: auths[{key!r}]"
    entry = _object(auths, key, where)
    for name, value in entry.items():
        if name in _ENTRY_FIELDS and not isinstance(value, str):
            raise InvalidCredentialsError(f"{where}: {name} is not a string")
    username, password = entry.get("username", ""), entry.get("password", "")
    if entry.get("auth"):
        username, password = _decode_auth(entry["auth"], where)
    token = entry.get("identitytoken", "")
    if username == "<token>":
        username, password, token = "", "", token or password
    credential = Credential(username, password, token, entry.get("registrytoken", ""))
    return credential if credential != Credential() else None


def _decode_auth(auth: str, where: str) -> tuple[str, str]:
    try:
        padded = auth + "=" * (-len(auth) % 4)
        text = base64.b64decode(padded, validate=True).decode().rstrip("\0")
    except (binascii.Error, ValueError):
        text = ""
    username, colon, password = text.partition(":")
    if not colon:
        raise InvalidCredentialsError(f"{where}: auth is not the base64 form of user:password")
    return username, password
