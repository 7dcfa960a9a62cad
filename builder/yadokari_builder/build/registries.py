"""The registries of a build: with which credentials and over what they are reached."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import urllib3

from yadokari_builder.errors import UsageError
from yadokari_builder.oci.reference import Reference, Repository
from yadokari_builder.registry.client import RegistryClient
from yadokari_builder.registry.clouds.places import cloud_places
from yadokari_builder.registry.credentials.credential import Place
from yadokari_builder.registry.credentials.environment import read_keychains
from yadokari_builder.registry.credentials.helpers import Helpers
from yadokari_builder.registry.credentials.keys import canonical_host
from yadokari_builder.registry.credentials.variables import GitLabVariables, KanikoVariables
from yadokari_builder.registry.http.connections import Network
from yadokari_builder.registry.http.proxies import read_proxies
from yadokari_builder.registry.http.reach import Certificates, Hosts, Policy, Reach, Transports
from yadokari_builder.registry.http.retry import RetryPolicy
from yadokari_builder.registry.http.tls import ClientCertificate, Trust, read_trust
from yadokari_builder.registry.mirrors import Mirrors, make_mirrors
from yadokari_builder.run.mounts.ssh import DEFAULT_ID, parse_agents
from yadokari_builder.sources.ssh.access import SshAccess, read_access
from yadokari_contract.spec import BuildSpec, GitOptions

_PLAIN = "http://"


@dataclass(frozen=True, slots=True)
class Registries:
    """Clients for pulling and for pushing, mirrors, and what all connections share."""

    pulling: RegistryClient
    pushing: RegistryClient
    mirrors: Mirrors
    network: Network
    helpers: Helpers

    def expect_push(self, repositories: Iterable[Repository]) -> None:
        """Find out where repositories are, and who may push to them, before a step can say so."""
        for repository in repositories:
            self.network.learn([self.pushing.host(repository)])
            self.pushing.know(repository)

    def expect_pull(self, repositories: Iterable[Repository]) -> None:
        """Find out where repositories are, and who may pull from them, before a step can say so."""
        for repository in repositories:
            self.network.learn([self.pulling.host(repository)])
            self.pulling.know(repository)

    def for_git(self, options: GitOptions) -> urllib3.PoolManager:
        """Make connections to git's servers, whose certificates may be anybody's where that is asked for."""
        network = self.network
        return (network.trusting(Trust("", verified=False)) if options.insecure_skip_tls else network).pools()

    def for_ssh(self, spec: BuildSpec, environment: Mapping[str, str], root: Path) -> SshAccess:
        """Return with what git's servers are reached by ssh; raises `UsageError`."""
        agents = parse_agents(spec.ssh, environment)
        return read_access(environment, agents.sockets.get(DEFAULT_ID, ""), self.network.dial, root)

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
        self.helpers.freeze()


def open_registries(spec: BuildSpec, environment: Mapping[str, str]) -> Registries:
    """Make the clients that a build's arguments and environment ask for.

    A mirror written as `http://HOST` is one over plain HTTP. Raises `UsageError` for credentials, mirrors,
    proxies or certificates that cannot be read.
    """
    network = Network(read_trust(environment), proxies=read_proxies(environment))
    keychains = read_keychains(environment, _places(spec, environment, network))
    transports = Transports(network, _certificates(spec))
    pull = _policy(spec, insecure=spec.insecure_pull, unverified=spec.skip_tls_verify_pull)
    push = _policy(spec, insecure=spec.insecure, unverified=spec.skip_tls_verify)
    pulls = RetryPolicy().at_least(max(spec.image_download_retry, spec.image_fs_extract_retry))
    pushes = RetryPolicy().at_least(spec.push_retry)
    return Registries(
        RegistryClient(Reach(transports, pull), keychain=keychains.pull, retry=pulls),
        RegistryClient(Reach(transports, push), keychain=keychains.push, retry=pushes),
        make_mirrors(
            map(_bare, spec.registry_mirrors),
            [(registry, _bare(mirror)) for registry, mirror in _maps(spec)],
            fallback=not spec.skip_default_registry_fallback,
        ),
        network,
        keychains.helpers,
    )


def _policy(spec: BuildSpec, *, insecure: bool, unverified: bool) -> Policy:
    mirrors = [*spec.registry_mirrors, *(mirror for _, mirror in _maps(spec))]
    plain = [_bare(mirror).partition("/")[0] for mirror in mirrors if mirror.startswith(_PLAIN)]
    return Policy(
        plain=_hosts(plain),
        insecure=_hosts(spec.insecure_registries, everything=insecure),
        unverified=_hosts(spec.skip_tls_verify_registries, everything=unverified),
    )


def _maps(spec: BuildSpec) -> Iterator[tuple[str, str]]:
    for registry, mirrors in spec.registry_maps.items():
        for mirror in mirrors:
            yield registry, mirror


def _places(spec: BuildSpec, environment: Mapping[str, str], network: Network) -> Iterator[Place]:
    kinds: dict[str, Callable[[], Place]] = {
        "env": lambda: KanikoVariables(environment),
        "gitlab": lambda: GitLabVariables(environment),
        **cloud_places(environment, network, spec.azure_container_registry_config),
    }
    return (kinds[kind]() for kind in spec.credential_helpers)


def _certificates(spec: BuildSpec) -> Certificates:
    clients = {}
    for registry, files in spec.registry_client_certs.items():
        chain, comma, key = files.partition(",")
        if not (comma and chain and key):
            raise UsageError(
                f"--registry-client-cert {registry}={files}: it has the form HOST=CERTIFICATE,KEY"
            )
        clients[registry] = ClientCertificate(chain, key)
    return Certificates(authorities=spec.registry_certificates, clients=clients)


def _bare(mirror: str) -> str:
    return mirror.removeprefix(_PLAIN)


def _hosts(registries: Iterable[str], *, everything: bool = False) -> Hosts:
    return Hosts(frozenset(map(canonical_host, registries)), everything)
