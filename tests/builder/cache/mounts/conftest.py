"""Places for caches of steps, and builds that have them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.caches import AMD64, MEGABYTE, Begin, Build
from support.clients import plain_client
from support.registry import Registry
from yadokari_builder.cache.mounts.places import Place, Shelf, Volume
from yadokari_builder.oci.reference import Repository
from yadokari_builder.registry.http.retry import RetryPolicy

QUICK = RetryPolicy(attempts=2, first_delay=0.001)


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    folder = tmp_path / "volume"
    folder.mkdir()
    return Volume(str(folder))


@pytest.fixture
def shelf(registry: Registry, name: str) -> Iterator[Shelf]:
    with plain_client(retry=QUICK) as client:
        yield Shelf(client, Repository(registry.host, f"caches/{name}"), AMD64)


@pytest.fixture(params=["volume", "shelf"])
def place(request: pytest.FixtureRequest) -> Place:
    """A volume or a registry."""
    found: Place = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def begin(tmp_path: Path) -> Begin:
    """Begins builds, each in a folder of its own; they are to be entered."""
    numbers = iter(range(1000))

    def make(place: Place, *, scope: str = "", limit: int = 100 * MEGABYTE) -> Build:
        return Build(tmp_path / f"pod{next(numbers)}", place, scope=scope, limit=limit)

    return make
