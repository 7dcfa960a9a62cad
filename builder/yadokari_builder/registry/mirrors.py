"""Mirrors of Docker Hub, as kaniko's `--registry-mirror HOST[/PATH]` names them."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from yadokari_builder.errors import UsageError
from yadokari_builder.oci.reference import InvalidReferenceError, Reference, Repository
from yadokari_contract.references import DOCKER_HUB


def parse_mirror(text: str) -> str:
    """Check a mirror's `HOST[/PATH]` and return it without a closing slash; raises `UsageError`."""
    mirror = text.rstrip("/")
    host, _, path = mirror.partition("/")
    try:
        Repository(host, f"{path}/library/debian".lstrip("/"))
    except InvalidReferenceError:
        raise UsageError(f"registry mirror {text!r}: it has the form HOST[/PATH], without a scheme") from None
    return mirror


def locations(reference: Reference, mirrors: Iterable[str]) -> Iterator[Reference]:
    """Return where an image may be found, in the order to look: mirrors stand in for Docker Hub alone."""
    if reference.registry == DOCKER_HUB:
        for mirror in mirrors:
            host, _, path = mirror.partition("/")
            name = f"{path}/{reference.repository.name}".lstrip("/")
            yield replace(reference, repository=Repository(host, name))
    yield reference
