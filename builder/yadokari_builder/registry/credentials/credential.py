"""What is shown to registries, and the collections that it is found in."""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol

from yadokari_builder.oci.reference import Repository
from yadokari_builder.registry.credentials.keys import best_key

# A host with a dot or a port, and perhaps a path.
_PLAIN_KEY = re.compile(r"(?=[^/]*[.:])[a-z0-9.*:-]{1,100}(/[a-z0-9._/-]{1,100})?")
_MOST_SHOWN = 3


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
    """Credentials as they are written down, by key (`host` or `host/path`), and helpers that know more.

    `lacks` names, for people, what was to hold some and holds none.
    """

    by_key: Mapping[str, Credential] = field(default_factory=lambda: MappingProxyType({}))
    helpers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    default_helper: str = ""
    lacks: tuple[str, ...] = ()

    def merged(self, other: "Credentials") -> "Credentials":
        """Return these and others; where both have a key, these count."""
        return Credentials(
            MappingProxyType({**other.by_key, **self.by_key}),
            MappingProxyType({**other.helpers, **self.helpers}),
            self.default_helper or other.default_helper,
            (*self.lacks, *other.lacks),
        )

    def find(self, repository: Repository) -> Credential | None:
        """Return the credential whose key fits a repository best; None if there is none."""
        key = best_key(self.by_key, repository)
        return None if key is None else self.by_key[key]

    def helper(self, repository: Repository) -> str:
        """Return the name of the helper for a repository's registry alone; "" if there is none."""
        key = best_key(self.helpers, repository)
        return "" if key is None else self.helpers[key]


class Place(Protocol):
    """Where credentials are looked for; may be used by several threads."""

    def find(self, repository: Repository) -> Credential | None:
        """Return the credential for a repository; None if there is none."""

    def hint(self, repository: Repository) -> str:
        """Say why there is no credential for a repository; "" if there is nothing more to say."""


@dataclass(frozen=True, slots=True)
class Keychain:
    """Credentials of several places: the first place that has one for a repository counts.

    `keys` are those under which something is written down, and `lacks` names what has none, for hints.
    """

    places: tuple[Place, ...] = ()
    keys: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()

    def find(self, repository: Repository) -> Credential | None:
        """Return the credential for a repository; None if there is none."""
        return next(filter(None, (place.find(repository) for place in self.places)), None)

    def hint(self, repository: Repository) -> str:
        """Say why there is no credential for a repository; "" if there is nothing more to say."""
        hint = next(filter(None, (place.hint(repository) for place in self.places)), "")
        return "; ".join(filter(None, [hint or self._others(), *self.lacks[:_MOST_SHOWN]]))

    def _others(self) -> str:
        # What else stands there may be anything, such as a password that got into the wrong place.
        keys = sorted({key for key in self.keys if _PLAIN_KEY.fullmatch(key)})
        if not keys:
            return ""
        more = f" and {len(keys) - _MOST_SHOWN} more" if len(keys) > _MOST_SHOWN else ""
        shown = f"{', '.join(keys[:_MOST_SHOWN])}{more}"
        return f"credentials are given for {shown}, not for it; it may also not exist"
