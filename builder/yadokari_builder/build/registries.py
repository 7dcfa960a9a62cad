"""The registries of a build: with which credentials and over what they are reached."""

from collections.abc import Mapping
from dataclasses import dataclass

from yadokari_builder.registry.client import RegistryClient
from yadokari_builder.registry.credentials.environment import read_credentials
from yadokari_builder.registry.mirrors import parse_mirror
from yadokari_contract.spec import BuildSpec

_MIRROR = "KANIKO_REGISTRY_MIRROR"


@dataclass(frozen=True, slots=True)
class Registries:
    """Clients for pulling and for pushing, and the mirrors of Docker Hub."""

    pulling: RegistryClient
    pushing: RegistryClient
    mirrors: tuple[str, ...]


def open_registries(spec: BuildSpec, environment: Mapping[str, str]) -> Registries:
    """Make the clients that a build's arguments and environment ask for.

    A mirror written as `http://HOST` is one over plain HTTP. Raises `UsageError` for credentials or mirrors
    that cannot be read.
    """
    credentials = read_credentials(environment)
    named = [*spec.registry_mirrors, *filter(None, environment.get(_MIRROR, "").split(","))]
    mirrors = [mirror.removeprefix("http://") for mirror in named]
    plain = {mirror.partition("/")[0] for mirror, name in zip(mirrors, named, strict=True) if mirror != name}
    insecure = frozenset(plain) | frozenset(spec.insecure_registries)
    return Registries(
        RegistryClient(credentials=credentials, insecure=_Policy(insecure, spec.insecure_pull)),
        RegistryClient(credentials=credentials, insecure=_Policy(insecure, spec.insecure)),
        tuple(map(parse_mirror, mirrors)),
    )


@dataclass(frozen=True, slots=True)
class _Policy:
    """Tells which registries are spoken to over plain HTTP."""

    insecure: frozenset[str]
    everything: bool

    def __call__(self, registry: str) -> bool:
        return self.everything or registry in self.insecure
