"""Requests to registries: who asks, retries and what a refusal means."""

from collections.abc import Callable, Iterable, Mapping
from copy import copy
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import BinaryIO, Self, TypeVar
from urllib.parse import urlsplit

from yadokari_builder.errors import RegistryError
from yadokari_builder.oci.reference import Repository
from yadokari_builder.registry.credentials.credential import Keychain
from yadokari_builder.registry.http.auth import Access, Authorizer
from yadokari_builder.registry.http.failures import Refusal, failure
from yadokari_builder.registry.http.reach import Reach, host_of
from yadokari_builder.registry.http.retry import RetryPolicy
from yadokari_builder.registry.http.transport import Answer, TransportError, authority, join, origin

T = TypeVar("T")

_MAX_ERROR = 64 * 1024
_NOT_ALLOWED = frozenset({405, 501})


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request about a repository.

    `url` is absolute or a path below the repository's; `task` completes "cannot ..." in errors; `push` asks
    for the right to push, `also_pull` for the right to pull from another repository; without `insist` nothing
    better is looked for if the credentials at hand are rejected. `missing` says what to do where it is not
    found. `body` opens the body, anew for each
    attempt, and `length` is its size in bytes, None if it is not known. Statuses other than `expected` raise.
    """

    method: str
    repository: Repository
    url: str
    task: str
    expected: frozenset[int] = frozenset({200})
    push: bool = False
    also_pull: str = ""
    insist: bool = True
    missing: str = ""
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    body: Callable[[], BinaryIO] | None = None
    length: int | None = 0

    @property
    def what(self) -> str:
        """What was tried and where, to begin an error with."""
        return f"{self.repository}: cannot {self.task}"


class RegistryClient:
    """Sends requests to registries; may be used by several threads.

    Errors name the registry, the repository, what was tried and the registry's own message:
    `UnauthorizedError`, `ImageNotFoundError` (404) or `RegistryError`.
    """

    def __init__(
        self,
        reach: Reach,
        *,
        keychain: Keychain | None = None,
        retry: RetryPolicy | None = None,
    ) -> None:
        self._reach = reach
        self._authorizer = Authorizer(reach, keychain or Keychain())
        self.retry = retry or RetryPolicy()

    def call(self, request: Request, consume: Callable[[Answer], T]) -> T:
        """Send a request until it gets an answer, and return what `consume` makes of that.

        Temporary errors, also of `consume`, are tried again as the retry policy says. Where HEAD is not
        allowed, GET is sent in its place.
        """
        try:
            return self.retry.run(lambda: self.call_once(request, consume))
        except RegistryError as error:
            if request.method != "HEAD" or error.status not in _NOT_ALLOWED:
                raise
        # Some proxies let nothing but GET through; a registry has both (distribution-spec, "Pull").
        return self.call(replace(request, method="GET"), consume)

    def call_once(self, request: Request, consume: Callable[[Answer], T]) -> T:
        """Send a request without trying again after temporary errors."""
        try:
            return consume(self._send(request))
        except TransportError as error:
            text = f"{request.what}: {error}"
            raise RegistryError(text, status=error.status, temporary=error.temporary) from error

    def trying(self, retry: RetryPolicy) -> Self:
        """Return a client that tries again as another policy says, and shares all else with this one."""
        other = copy(self)
        other.retry = retry
        return other

    def host(self, repository: Repository) -> str:
        """Tell the name of the host that is asked about a repository."""
        return host_of(repository.registry)

    def know(self, repository: Repository) -> None:
        """Look for the credential of a repository while all places can be asked."""
        self._authorizer.know(repository)

    def _send(self, request: Request) -> Answer:
        base = f"{self._reach.base(request.repository.registry)}{request.repository.name}/"
        url = _absolute(base, request.url)
        if authority(url) != authority(base):
            if base.startswith("https:") and not url.startswith("https:"):
                raise TransportError(f"{origin(base)} leads to {origin(url)}, which gives up TLS")
            # Uploads may go to a storage that the registry points to: its credentials do not.
            return self._expected(request, self._exchange(request, url, None))
        access = _access(request, secure=base.startswith("https:"))
        authorization = self._authorizer.authorization(access)
        answer = self._exchange(request, url, authorization)
        if answer.status == 401 and request.insist and not answer.redirected:
            other = self._respond(access, answer, authorization)
            if other is not None:
                answer.discard()
                authorization = other
                answer = self._exchange(request, url, authorization)
        secrets = (*self._authorizer.secrets(access), (authorization or "").rpartition(" ")[2])
        return self._expected(request, answer, secrets, self._authorizer.hint(access))

    def _respond(self, access: Access, answer: Answer, rejected: str | None) -> str | None:
        try:
            return self._authorizer.answer(access, answer.headers.get("WWW-Authenticate", ""), rejected)
        except RegistryError:
            answer.discard()
            raise

    def _exchange(self, request: Request, url: str, authorization: str | None) -> Answer:
        headers = dict(request.headers)
        if request.method in ("POST", "PUT", "PATCH") and request.length is not None:
            headers["Content-Length"] = str(request.length)
        transport = self._reach.transport(request.repository.registry)
        if request.body is None:
            return transport.send(request.method, url, headers=headers, authorization=authorization)
        with request.body() as body:
            return transport.send(
                request.method, url, headers=headers, authorization=authorization, body=body
            )

    def _expected(
        self, request: Request, answer: Answer, secrets: Iterable[str] = (), hint: str = ""
    ) -> Answer:
        if answer.status in request.expected:
            return answer
        try:
            refusal = Refusal.parse(answer.read(_MAX_ERROR), secrets)
        except TransportError:
            refusal = Refusal()
        raise failure(request.what, answer.status, answer.headers, refusal, hint, request.missing)


def _access(request: Request, *, secure: bool) -> Access:
    actions = "pull,push" if request.push else "pull"
    scopes = [f"repository:{request.repository.name}:{actions}"]
    if request.also_pull:
        scopes.append(f"repository:{request.also_pull}:pull")
    return Access(request.repository, tuple(scopes), secure)


def _absolute(base: str, url: str) -> str:
    joined = join(base, url)
    # A registry behind a proxy that ends TLS may think that it speaks plain HTTP.
    if base.startswith("https:") and urlsplit(joined)[:2] == ("http", urlsplit(base).netloc):
        return "https" + joined.removeprefix("http")
    return joined


def said_digest(answer: Answer) -> str:
    """Return the digest that a registry tells of a manifest beside its content; empty if it does not."""
    answer.discard()
    return answer.headers.get("Docker-Content-Digest", "")
