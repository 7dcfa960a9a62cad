"""The registries of a build: with which credentials and over what they are reached."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from yadokari_builder.oci.reference import Reference
from yadokari_builder.registry.client import RegistryClient
from yadokari_builder.registry.credentials.environment import read_keychains
from yadokari_builder.registry.http.connections import Network
from yadokari_builder.registry.http.tls import read_trust
from yadokari_builder.registry.http.transport import Transport
from yadokari_builder.registry.mirrors import locations, parse_mirror
from yadokari_contract.spec import BuildSpec


@dataclass(frozen=True, slots=True)
class Registries:
    """Clients for pulling and for pushing, the mirrors of Docker Hub, and what all connections share."""

    pulling: RegistryClient
    pushing: RegistryClient
    mirrors: tuple[str, ...]
    network: Network

    def freeze(self, images: Iterable[Reference], hosts: Iterable[str]) -> None:
        """Prepare for steps that may change what names mean: to be called before the first RUN.

        `images` and `hosts` are those that will be asked for later. They keep the addresses that they have
        now; hosts that come up later are trusted only as far as TLS goes.
        """
        for image in images:
            for location in locations(image, self.mirrors):
                self.network.addresses.learn([self.pulling.host(location.repository)])
        self.network.addresses.learn(hosts)
        self.network.addresses.freeze()


def open_registries(spec: BuildSpec, environment: Mapping[str, str]) -> Registries:
    """Make the clients that a build's arguments and environment ask for.

    A mirror written as `http://HOST` is one over plain HTTP. Raises `UsageError` for credentials, mirrors or
    certificates that cannot be read.
    """
    keychains = read_keychains(environment)
    named = spec.registry_mirrors
    mirrors = [mirror.removeprefix("http://") for mirror in named]
    plain = {mirror.partition("/")[0] for mirror, name in zip(mirrors, named, strict=True) if mirror != name}
    insecure = frozenset(plain) | frozenset(spec.insecure_registries)
    network = Network(read_trust(environment))
    transport = Transport(network)
    return Registries(
        RegistryClient(transport, keychain=keychains.pull, insecure=_Policy(insecure, spec.insecure_pull)),
        RegistryClient(transport, keychain=keychains.push, insecure=_Policy(insecure, spec.insecure)),
        tuple(map(parse_mirror, mirrors)),
        network,
    )


@dataclass(frozen=True, slots=True)
class _Policy:
    """Tells which registries are spoken to over plain HTTP."""

    insecure: frozenset[str]
    everything: bool

    def __call__(self, registry: str) -> bool:
        return self.everything or registry in self.insecure
