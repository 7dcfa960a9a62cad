"""Builds with caches of steps, each as in a pod of its own."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self

from yadokari_builder.cache.mounts.caches import CacheMounts
from yadokari_builder.cache.mounts.places import Place
from yadokari_builder.cache.naming import cache_name
from yadokari_builder.oci.platform import Platform
from yadokari_builder.run.mounts.caches import CacheKey, CacheStore, CacheUse

AMD64 = Platform("linux", "amd64")
MEGABYTE = 1 << 20


class Build:
    """One build in a pod of its own."""

    def __init__(
        self, folder: Path, place: Place | None, *, scope: str = "", limit: int = 100 * MEGABYTE
    ) -> None:
        self.folder = folder
        for name in ("borrowed", "places"):
            (folder / name).mkdir(parents=True)
        self._store = CacheStore(str(folder / "borrowed"))
        self.scope = scope
        self.caches = CacheMounts(
            place,
            str(folder / "borrowed"),
            limit,
            lambda key: cache_name(key, scope, AMD64),
        )

    def name(self, cache_id: str) -> str:
        """Tell by what name a cache is kept."""
        return cache_name(CacheKey(cache_id), self.scope, AMD64)

    def __enter__(self) -> Self:
        self.caches.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self.caches.__exit__(*error)

    @contextmanager
    def step(self, *wanted: CacheUse | CacheKey | str) -> Iterator[tuple[Path, ...]]:
        """A step with caches; gives the folders where it has them."""
        keys = [CacheKey(each) if isinstance(each, str) else each for each in wanted]
        uses = [CacheUse(each) if isinstance(each, CacheKey) else each for each in keys]
        self.caches.expect(uses)
        with ExitStack() as stack:
            stack.enter_context(self.caches.ready(uses))
            places = []
            for number, use in enumerate(uses):
                place = self.folder / "places" / str(number)
                stack.enter_context(self._store.lent(use.key, str(place)))
                places.append(place)
            yield tuple(places)


Begin = Callable[..., Build]


def add(build: Build, file: str, *wanted: CacheUse | CacheKey | str) -> list[str]:
    """Run a step that adds a file to a cache, "pip" unless another is named; tells what it found there."""
    with build.step(*(wanted or ("pip",))) as (folder, *_):
        found = names(folder)
        (folder / file).write_text(file)
    return found


def names(folder: Path) -> list[str]:
    """What a folder holds."""
    return sorted(path.name for path in folder.iterdir())
