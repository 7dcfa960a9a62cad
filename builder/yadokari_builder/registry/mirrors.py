"""Mirrors of registries, as kaniko's `--registry-mirror` and `--registry-map` name them."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from yadokari_builder.errors import UsageError
from yadokari_builder.oci.reference import InvalidReferenceError, Reference, Repository
from yadokari_builder.registry.credentials.keys import canonical_host
from yadokari_contract.references import DOCKER_HUB


@dataclass(frozen=True, slots=True)
class Mirrors:
    """Mirrors (`HOST[/PATH]`) by the registry that they stand in for.

    Without `fallback` a registry that has mirrors is not asked itself.
    """

    by_registry: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    fallback: bool = True

    def locations(self, reference: Reference) -> Iterator[Reference]:
        """Return where an image may be found, in the order to look; one place at least."""
        mirrors = self.by_registry.get(canonical_host(reference.registry), ())
        for mirror in mirrors:
            host, _, path = mirror.partition("/")
            name = f"{path}/{reference.repository.name}".lstrip("/")
            yield replace(reference, repository=Repository(host, name))
        if self.fallback or not mirrors:
            yield reference


def make_mirrors(hub: Iterable[str], maps: Iterable[tuple[str, str]], *, fallback: bool = True) -> Mirrors:
    """Bring together the mirrors of Docker Hub and those of registries; raises `UsageError`."""
    found: dict[str, tuple[str, ...]] = {}
    for registry, mirror in [*((DOCKER_HUB, mirror) for mirror in hub), *maps]:
        key = canonical_host(registry)
        found[key] = (*found.get(key, ()), _parse_mirror(mirror))
    return Mirrors(found, fallback)


def _parse_mirror(text: str) -> str:
    mirror = text.rstrip("/")
    host, _, path = mirror.partition("/")
    try:
        Repository(host, f"{path}/library/debian".lstrip("/"))
    except InvalidReferenceError:
        raise UsageError(f"registry mirror {text!r}: it has the form HOST[/PATH], without a scheme") from None
    return mirror
