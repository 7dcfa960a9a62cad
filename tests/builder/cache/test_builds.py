"""Builds through a cache in a real registry."""

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from support.registry import Registry
from support.site import Site
from yadokari_contract.result import BuildResult

Build = Callable[..., BuildResult]

DOCKERFILE = """\
FROM busybox
WORKDIR /w
RUN echo one > one
COPY src .
RUN cat one main > two
ENV A=b
RUN test -e two
"""


@pytest.fixture(autouse=True)
def _everything_is_heard(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


@pytest.fixture
def build(stocked_registry: Registry, registry: Registry, name: str, tmp_path: Path) -> Build:
    """Builds in a fresh root each time, into the same repository, with one context."""
    numbers = iter(range(1000))
    (tmp_path / "context/src").mkdir(parents=True)
    (tmp_path / "context/src/main").write_text("main\n")

    def build(dockerfile: str = DOCKERFILE, **fields: object) -> BuildResult:
        site = Site(tmp_path / str(next(numbers)), stocked_registry.host)
        site.folder.mkdir()
        (site.folder / "context").symlink_to(tmp_path / "context")
        given = {"destinations": (f"{registry.host}/{name}",), "cache": True, "cache_copy_layers": True}
        return site.session(dockerfile, **(given | fields)).run()

    return build


def test_what_was_built_once_is_not_built_again(build: Build) -> None:
    first, second = build(), build()
    assert (first.cached, first.steps) == (0, 7)
    assert (second.cached, second.steps) == (5, 7)


def test_a_cached_build_is_the_one_that_was_there(build: Build) -> None:
    assert build(reproducible=True).digest == build(reproducible=True).digest
