"""What the log says of a step that has changed."""

import pytest

from yadokari_builder.build.caching.changes import changes
from yadokari_builder.cache.steps.entry import Trace

PARTS = {"below": "1", "files": "2", "instruction": "3", "making": "4", "variables": "5"}


@pytest.mark.parametrize(
    ("part", "text"),
    [
        ("below", "what is below it has changed"),
        ("files", "the files that it takes have changed"),
        ("instruction", "its variables lead to another instruction"),
        ("making", "layers are made in another way"),
        ("variables", "it sees other variables"),
    ],
)
def test_each_part_has_its_words(part: str, text: str) -> None:
    assert [*changes(Trace(PARTS), Trace({**PARTS, part: "other"}))] == [text]


def test_what_has_not_changed_is_gone() -> None:
    assert [*changes(Trace(PARTS), Trace(PARTS))] == ["it is not in the cache any more"]


@pytest.mark.parametrize(
    ("files", "text"),
    [
        ({"/a": "1", "/b": "2"}, "1 file changed, first b"),
        ({"/a": "2"}, "1 file changed, first a"),
        ({"/b": "1", "/c": "1"}, "3 files changed, first a"),
        ({}, "the files that it takes have changed"),
        ({"/a": "1"}, "the files that it takes have changed"),
        ({"/a": "1", "/b\nSTEP 9/9 RUN \x1b[2J": "2"}, r"1 file changed, first b\nSTEP 9/9 RUN \x1b[2J"),
        ({"/a": "1", "/" + "b" * 10_000: "2"}, f"1 file changed, first {'b' * 200}"),
    ],
)
def test_files_are_counted_and_the_first_is_named(files: dict[str, str], text: str) -> None:
    then, now = Trace(PARTS, {"/a": "1"}), Trace({**PARTS, "files": "other"}, files)
    assert [*changes(then, now)] == [text]
