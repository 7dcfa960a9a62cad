"""Showing registries who asks: the Basic scheme and bearer tokens.

A bearer token is fetched from the realm that the registry names (distribution's "Token Authentication
Specification"): with GET and the user's password, or with an OAuth 2 POST and an identity token. Tokens are
kept for as long as they last, for each repository and what may be done there.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any
from urllib.parse import urlencode, urlsplit

from yadokari_builder.errors import RegistryError, UnauthorizedError
from yadokari_builder.oci.reference import Repository
from yadokari_builder.registry.credentials.credential import Credential, Keychain
from yadokari_builder.registry.http.addresses import leads_to_node
from yadokari_builder.registry.http.challenge import Challenge, parse_challenges
from yadokari_builder.registry.http.failures import Refusal, failure
from yadokari_builder.registry.http.reach import Reach
from yadokari_builder.registry.http.transport import Answer, TransportError, origin

_MAX_TOKEN_ANSWER = 1024 * 1024
_DEFAULT_LIFE = 60.0
_MAX_LIFE = 24 * 3600.0
_CLIENT = "yadokari"


@dataclass(frozen=True, slots=True)
class Access:
    """What is to be done where; `scopes` as in `repository:team/app:pull,push`."""

    repository: Repository
    scopes: tuple[str, ...]
    secure: bool


@dataclass(frozen=True, slots=True)
class _Token:
    value: str
    expires: float


class Authorizer:
    """Finds the Authorization header for requests; may be used by several threads."""

    def __init__(self, reach: Reach, keychain: Keychain, clock: Callable[[], float] = time.monotonic) -> None:
        self._reach = reach
        self._keychain = keychain
        self._clock = clock
        self._lock = Lock()
        self._challenges: dict[str, Challenge] = {}
        self._tokens: dict[Access, _Token] = {}
        self._shown: dict[Repository, Credential | None] = {}

    def authorization(self, access: Access) -> str | None:
        """Return the header's value as far as it is known from earlier answers; None if it is not."""
        with self._lock:
            challenge = self._challenges.get(access.repository.registry)
            return None if challenge is None else self._respond(access, challenge)

    def answer(self, access: Access, header: str, rejected: str | None) -> str | None:
        """Return another value after a registry has rejected one with a WWW-Authenticate header.

        None if there is nothing better to show. Raises `UnauthorizedError` or `RegistryError` where a token
        cannot be had.
        """
        challenge = _choose(parse_challenges(header))
        if challenge is None:
            return None
        with self._lock:
            self._challenges[access.repository.registry] = challenge
            held = self._tokens.get(access)
            if held is not None and rejected == f"Bearer {held.value}":
                # It has expired, or the registry wants more than such a request commonly needs.
                wanted = _widened(access, challenge.parameters.get("scope", ""))
                self._tokens[access] = self._fetch(wanted, challenge)
            value = self._respond(access, challenge)
            return None if value == rejected else value

    def know(self, repository: Repository) -> None:
        """Look for the credential of a repository while all places can be asked."""
        self._keychain.find(repository)

    def secrets(self, access: Access) -> tuple[str, ...]:
        """Return what an error about a request must not show."""
        credential = self._shown.get(access.repository)
        return credential.secrets() if credential else ()

    def hint(self, access: Access) -> str:
        """Say whose credentials were shown, for errors."""
        credential = self._shown.get(access.repository)
        if credential is not None:
            who = f"as {credential.username}" if credential.username else "with the token that was given"
            return f"{who}: that is wrong, has ended or does not allow this"
        hint = self._keychain.hint(access.repository)
        return hint or "no credentials are given for it, by DOCKER_AUTH_CONFIG for one; it may also not exist"

    def _find(self, access: Access) -> Credential | None:
        # Only where it is asked for: to find it out may take a program or a cloud.
        found = self._shown[access.repository] = self._keychain.find(access.repository)
        return found

    def _respond(self, access: Access, challenge: Challenge) -> str | None:
        credential = self._find(access)
        if challenge.scheme == "basic":
            return credential.basic() if credential and credential.username else None
        if credential and credential.registry_token:
            return f"Bearer {credential.registry_token}"
        token = self._tokens.get(access)
        if token is None or token.expires <= self._clock():
            token = self._tokens[access] = self._fetch(access, challenge)
        return f"Bearer {token.value}"

    def _fetch(self, access: Access, challenge: Challenge) -> _Token:
        credential = self._find(access)
        realm = challenge.parameters.get("realm", "")
        what = f"{access.repository}: cannot get a token from {origin(realm)}"
        _check_realm(realm, access, what)
        try:
            answer = self._ask(realm, challenge.parameters.get("service", ""), access, credential)
            body = answer.read(_MAX_TOKEN_ANSWER)
        except TransportError as error:
            raise RegistryError(f"{what}: {error}", temporary=error.temporary) from error
        if answer.status != 200:
            refusal = Refusal.parse(body, credential.secrets() if credential else ())
            refused = failure(what, answer.status, answer.headers, refusal, self.hint(access))
            if answer.status in (400, 404):
                # Token servers have no common way to say that they do not know somebody.
                text = f"{refused} ({self.hint(access)})"
                raise UnauthorizedError(text, status=refused.status, codes=refused.codes)
            raise refused
        value, life = _read_token(body, what)
        # A tenth is left for the request that the token is fetched for.
        return _Token(value, self._clock() + 0.9 * life)

    def _ask(self, realm: str, service: str, access: Access, credential: Credential | None) -> Answer:
        if credential and credential.identity_token:
            return self._ask_oauth(realm, service, access, credential.identity_token)
        query = [("service", service)] if service else []
        query += [("scope", scope) for scope in access.scopes]
        authorization = None
        if credential and credential.username:
            query.append(("account", credential.username))
            authorization = credential.basic()
        url = f"{realm}{'&' if urlsplit(realm).query else '?'}{urlencode(query)}"
        transport = self._reach.transport(access.repository.registry)
        answer = transport.send("GET", url, headers={}, authorization=authorization)
        if answer.redirected:
            answer.discard()
            raise TransportError(f"{origin(realm)} redirects to another host, which is not asked for tokens")
        return answer

    def _ask_oauth(self, realm: str, service: str, access: Access, identity_token: str) -> Answer:
        form = {
            "grant_type": "refresh_token",
            "service": service,
            "client_id": _CLIENT,
            "scope": " ".join(access.scopes),
            "refresh_token": identity_token,
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        transport = self._reach.transport(access.repository.registry)
        return transport.send(
            "POST", realm, headers=headers, body=urlencode(form).encode(), confidential=True
        )


def _choose(challenges: tuple[Challenge, ...]) -> Challenge | None:
    """Prefer bearer tokens: a password then goes to the realm alone."""
    known = [challenge for challenge in challenges if challenge.scheme in ("bearer", "basic")]
    return max(known, key=lambda challenge: challenge.scheme == "bearer", default=None)


def _widened(access: Access, scope: str) -> Access:
    return replace(access, scopes=access.scopes + tuple(set(scope.split()) - set(access.scopes)))


def _check_realm(realm: str, access: Access, what: str) -> None:
    parts = urlsplit(realm)
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        raise RegistryError(f"{what}: it is not the URL of a token server")
    if leads_to_node(parts.hostname, urlsplit(f"//{access.repository.registry}").hostname or ""):
        raise RegistryError(f"{what}: that address is of the node alone, so that it is not asked")
    if access.secure and parts.scheme != "https":
        raise RegistryError(
            f"{what}: the registry uses TLS, its token server does not, so that it gets nothing"
        )


def _read_token(body: bytes, what: str) -> tuple[str, float]:
    try:
        data: Any = json.loads(body)
        value = data.get("token") or data.get("access_token")
        life = data.get("expires_in") or _DEFAULT_LIFE
    except (ValueError, AttributeError, RecursionError):
        value, life = None, _DEFAULT_LIFE
    if not isinstance(value, str) or not value.isascii() or not value.isprintable() or len(value) > 65536:
        raise RegistryError(f"{what}: its answer holds no token")
    return value, min(life, _MAX_LIFE) if isinstance(life, int | float) and life > 0 else _DEFAULT_LIFE
