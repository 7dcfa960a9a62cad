"""What steps take is named by its content: read once, that of the context while the build goes on."""

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Never

import pytest

from builder.plan.planning import planned
from support.watching import come_true, once
from yadokari_builder.build.caching.taken import Takings
from yadokari_builder.errors import CancelledError, ContextError
from yadokari_builder.oci.config import ContainerConfig
from yadokari_builder.plan.steps import ContextSource, Source, Step
from yadokari_builder.sources.tree import SourceTree


class Context:
    """A context that is not there before somebody lets it be read; it counts who does."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.is_there = threading.Event()
        self.read = 0

    def tree(self, source: Source) -> SourceTree:
        assert source == ContextSource()
        self.read += 1
        assert self.is_there.wait(100)
        return SourceTree(self.root)


def unexpected(_: object) -> Never:
    pytest.fail("nothing is fetched")


@pytest.fixture
def context(tmp_path: Path) -> Context:
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    return Context(tmp_path)


@pytest.fixture
def takings(context: Context) -> Iterator[Takings]:
    with Takings(context.tree, unexpected, unexpected) as running:
        yield running


def steps(dockerfile: str) -> tuple[Step, ...]:
    return planned(f"FROM base\n{dockerfile}", bases={"base:latest": ContainerConfig()}).target.steps


def test_the_context_is_read_ahead_and_no_second_time(context: Context, takings: Takings) -> None:
    one, other, again = steps("COPY a /\nCOPY b /\nCOPY a /again\n")
    takings.read_ahead([one, other])
    assert come_true(lambda: context.read == 1), "one after the other"
    threading.Timer(0.05, context.is_there.set).start()
    assert takings.by_content(again) == takings.by_content(one) != takings.by_content(other)
    assert context.read == 2
    assert [*takings.listing(one)] == ["/a"]


def test_nothing_but_the_context_is_read_ahead(context: Context, takings: Takings) -> None:
    takings.read_ahead(steps("COPY --from=base / /base\nADD https://example.com/x /\nRUN make\n"))
    assert context.read == 0


def test_what_is_wrong_with_the_context_is_told_to_who_takes_it(context: Context, takings: Takings) -> None:
    context.is_there.set()
    missing, there = steps("COPY missing /\nCOPY a /\n")
    takings.read_ahead([missing, there])
    with pytest.raises(ContextError, match="not found"):
        takings.by_content(missing)
    assert takings.by_content(there)


def test_reading_ahead_ends_with_the_build(context: Context) -> None:
    with Takings(context.tree, unexpected, unexpected) as takings:
        takings.read_ahead(steps("COPY a /\nCOPY b /\n"))
        assert come_true(lambda: context.read == 1)
        once(takings._left.is_set, context.is_there.set)
    with pytest.raises(CancelledError):
        takings.by_content(*steps("COPY a /\n"))
    assert not any(thread.name == "read" for thread in threading.enumerate())


def test_who_ends_does_not_wait_for_a_large_file_to_be_read(context: Context) -> None:
    os.truncate(context.root / "a", 1 << 40)
    context.is_there.set()
    began = time.monotonic()
    with Takings(context.tree, unexpected, unexpected) as takings:
        takings.read_ahead(steps("COPY a /\n"))
        assert come_true(lambda: any(thread.name.startswith("hash") for thread in threading.enumerate()))
    assert time.monotonic() - began < 30
