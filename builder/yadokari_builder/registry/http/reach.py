"""How each registry is reached: by TLS or without, and whom TLS trusts there.

What is said of a registry holds for the hosts that it leads to as well, such as its token server's, as in
kaniko.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

from yadokari_builder.registry.credentials.keys import canonical_host
from yadokari_builder.registry.http.connections import Network
from yadokari_builder.registry.http.tls import ClientCertificate, Trust
from yadokari_builder.registry.http.transport import Transport, TransportError
from yadokari_contract.references import DOCKER_HUB

_HUB_HOST = "registry-1.docker.io"
_ANSWERS_OF_A_REGISTRY = frozenset({200, 401, 403, 429, *range(500, 600)})


@dataclass(frozen=True, slots=True)
class Hosts:
    """Some registries, as `HOST[:PORT]`, or all."""

    named: frozenset[str] = frozenset()
    all: bool = False

    def __contains__(self, registry: str) -> bool:
        return self.all or canonical_host(registry) in self.named


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Which registries are spoken to over `plain` HTTP, which ones where they speak no TLS (`insecure`).

    Those that are `unverified` are taken for who they say they are.
    """

    plain: Hosts = Hosts()
    insecure: Hosts = Hosts()
    unverified: Hosts = Hosts()


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificates:
    """Files in PEM form by registry: of authorities that are trusted for it too, and what it is shown."""

    authorities: Mapping[str, str] = field(default_factory=dict)
    clients: Mapping[str, ClientCertificate] = field(default_factory=dict)


class Transports:
    """Connections by what TLS trusts; may be used by several threads.

    All certificates are read when it is made; raises `UsageError`. `settings` are those of `Transport`.
    """

    def __init__(self, network: Network, certificates: Certificates | None = None, **settings: Any) -> None:
        certificates = certificates or Certificates()
        anybody = Trust("", verified=False)
        self._common = {
            True: Transport(network, **settings),
            False: Transport(network.trusting(anybody), **settings),
        }
        # As long as Go waits for a handshake: what waits for the end of a request's head never answers one.
        self.probing = Transport(network.trusting(anybody), **{"read_timeout": 10, **settings})
        self._own = {
            (canonical_host(registry), verified): Transport(network.trusting(trust), **settings)
            for registry in {*certificates.authorities, *certificates.clients}
            for verified, trust in _own_trust(registry, certificates, network.trust).items()
        }

    def find(self, registry: str, *, verified: bool) -> Transport:
        """Return the connections for a registry and for the hosts that it leads to."""
        return self._own.get((canonical_host(registry), verified), self._common[verified])

    def close(self) -> None:
        """Close all connections."""
        for transport in (self.probing, *self._common.values(), *self._own.values()):
            transport.close()


class Reach:
    """Tells how registries are reached; may be used by several threads."""

    def __init__(self, transports: Transports, policy: Policy | None = None) -> None:
        self._transports = transports
        self._policy = policy or Policy()
        self._lock = Lock()
        self._schemes: dict[str, str] = {}

    def transport(self, registry: str) -> Transport:
        """Return the connections for a registry."""
        return self._transports.find(registry, verified=registry not in self._policy.unverified)

    def base(self, registry: str) -> str:
        """Return the URL that a registry's API is below.

        An insecure one is asked by TLS first, once. Raises `TransportError` where it answers in neither way.
        """
        if registry in self._policy.plain:
            return f"http://{_host(registry)}/v2/"
        if registry not in self._policy.insecure:
            return f"https://{_host(registry)}/v2/"
        with self._lock:
            if registry not in self._schemes:
                self._schemes[registry] = self._find_scheme(registry)
            return f"{self._schemes[registry]}://{_host(registry)}/v2/"

    def _find_scheme(self, registry: str) -> str:
        # Whether it speaks TLS at all: whether it is the right one is found out when it is told something.
        failures = []
        for scheme in ("https", "http"):
            try:
                answer = self._transports.probing.send("GET", f"{scheme}://{_host(registry)}/v2/", headers={})
            except TransportError as error:
                failures.append(error)
                continue
            answer.discard()
            if answer.status in _ANSWERS_OF_A_REGISTRY:
                return scheme
            failures.append(TransportError(f"{scheme}://{registry} is no registry: {answer.status}"))
        temporary = any(error.temporary for error in failures)
        raise TransportError(" and ".join(map(str, failures)), temporary=temporary)


def host_of(registry: str) -> str:
    """Return the name of the host that a registry is asked at, without a port."""
    return urlsplit(f"//{_host(registry)}").hostname or ""


def _host(registry: str) -> str:
    return _HUB_HOST if registry == DOCKER_HUB else registry


def _own_trust(registry: str, certificates: Certificates, common: Trust) -> Mapping[bool, Trust]:
    authorities, client = common.authorities, certificates.clients.get(registry)
    if path := certificates.authorities.get(registry):
        authorities = common.adding(path, "--registry-certificate")
    return {verified: Trust(authorities, verified, client) for verified in (True, False)}
