"""The registries of a build: with which credentials and over what they are reached."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from yadokari_builder.oci.reference import Reference
from yadokari_builder.registry.client import RegistryClient
from yadokari_builder.registry.credentials.environment import read_keychains
from yadokari_builder.registry.credentials.keys import canonical_host
from yadokari_builder.registry.http.connections import Network
from yadokari_builder.registry.http.proxies import read_proxies
from yadokari_builder.registry.http.reach import Hosts, Policy, Reach, Transports
from yadokari_builder.registry.http.tls import read_trust
from yadokari_builder.registry.mirrors import Mirrors, make_mirrors
from yadokari_contract.spec import BuildSpec

_PLAIN = "http://"


@dataclass(frozen=True, slots=True)
class Registries:
    """Clients for pulling and for pushing, mirrors, and what all connections share."""

    pulling: RegistryClient
    pushing: RegistryClient
    mirrors: Mirrors
    network: Network

    def freeze(self, images: Iterable[Reference], hosts: Iterable[str]) -> None:
        """Prepare for steps that may change what names mean: to be called before the first RUN.

        `images` and `hosts` are those that will be asked for later. They keep the addresses that they have
        now; hosts that come up later are trusted only as far as TLS goes.
        """
        for image in images:
            for location in self.mirrors.locations(image):
                self.network.learn([self.pulling.host(location.repository)])
        self.network.learn(hosts)
        self.network.addresses.freeze()


def open_registries(spec: BuildSpec, environment: Mapping[str, str]) -> Registries:
    """Make the clients that a build's arguments and environment ask for.

    A mirror written as `http://HOST` is one over plain HTTP. Raises `UsageError` for credentials, mirrors,
    proxies or certificates that cannot be read.
    """
    keychains = read_keychains(environment)
    hub = spec.registry_mirrors
    maps = [(registry, mirror) for registry, mirrors in spec.registry_maps.items() for mirror in mirrors]
    network = Network(read_trust(environment), proxies=read_proxies(environment))
    transports = Transports(network)
    named = [*hub, *(mirror for _, mirror in maps)]
    plain = _some(name.removeprefix(_PLAIN).partition("/")[0] for name in named if name.startswith(_PLAIN))
    pull = Policy(plain=plain, insecure=_some(spec.insecure_registries, everything=spec.insecure_pull))
    push = Policy(plain=plain, insecure=_some(spec.insecure_registries, everything=spec.insecure))
    return Registries(
        RegistryClient(Reach(transports, pull), keychain=keychains.pull),
        RegistryClient(Reach(transports, push), keychain=keychains.push),
        make_mirrors(map(_bare, hub), [(registry, _bare(mirror)) for registry, mirror in maps]),
        network,
    )


def _bare(mirror: str) -> str:
    return mirror.removeprefix(_PLAIN)


def _some(registries: Iterable[str], *, everything: bool = False) -> Hosts:
    return Hosts(frozenset(map(canonical_host, registries)), everything)
