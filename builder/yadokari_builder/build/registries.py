"""The registries of a build: with which credentials and over what they are reached."""

import logging
import os
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass

from yadokari_builder.registry.client import RegistryClient
from yadokari_builder.registry.credentials import Credentials
from yadokari_builder.registry.mirrors import parse_mirror
from yadokari_contract.spec import BuildSpec

logger = logging.getLogger(__name__)

_AUTH = "DOCKER_AUTH_CONFIG"
_DEFAULT_FOLDER = "/kaniko/.docker"
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


def read_credentials(environment: Mapping[str, str]) -> Credentials:
    """Merge DOCKER_AUTH_CONFIG, DOCKER_AUTH_CONFIG_1 and so on, and the config.json of DOCKER_CONFIG.

    Where several hold the same key, the first of them counts.
    """
    names = [name for name in environment if name == _AUTH or name.removeprefix(f"{_AUTH}_").isdecimal()]
    merged = Credentials()
    for name in sorted(names, key=lambda name: int(name.removeprefix(_AUTH).lstrip("_") or 0)):
        merged = merged.merged(Credentials.parse(environment[name], name))
    path = posixpath.join(environment.get("DOCKER_CONFIG", _DEFAULT_FOLDER), "config.json")
    if os.path.isfile(path):
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            merged = merged.merged(Credentials.parse(file.read(), path))
        logger.debug(
            "RUN steps can read %s: DOCKER_AUTH_CONFIG in the environment is out of their reach", path
        )
    return merged


@dataclass(frozen=True, slots=True)
class _Policy:
    """Tells which registries are spoken to over plain HTTP."""

    insecure: frozenset[str]
    everything: bool

    def __call__(self, registry: str) -> bool:
        return self.everything or registry in self.insecure
