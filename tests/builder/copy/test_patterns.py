"""Which files are taken: wildcards, .dockerignore, --exclude, --parents."""

from typing import Any

import pytest

from yadokari_builder.errors import ContextError


def _files(workshop: Any) -> list[str]:
    return [name for name, content in workshop.tree().items() if content is not None]


def test_wildcards_match_names_and_not_slashes(workshop: Any) -> None:
    workshop.fill({"a.txt": "", "b.txt": "", "d/c.txt": "", "a.md": ""})
    workshop.do("COPY *.txt /x/")
    assert _files(workshop) == ["x/a.txt", "x/b.txt"]


def test_wildcards_may_stand_in_every_part(workshop: Any) -> None:
    workshop.fill({"p1/a.go": "1", "p2/b.go": "2", "q/c.go": "3"})
    workshop.do("COPY p?/*.go /x/")
    assert _files(workshop) == ["x/a.go", "x/b.go"]


def test_a_folder_that_matches_gives_what_is_in_it(workshop: Any) -> None:
    workshop.fill({"d1/a": "", "d2/b": ""})
    workshop.do("COPY d* /x/")
    assert _files(workshop) == ["x/a", "x/b"]


def test_nothing_matching_is_no_error_and_makes_nothing(workshop: Any) -> None:
    assert workshop.do("COPY *.nothing /x/").paths == ()
    assert workshop.tree() == {}


def test_wildcards_in_a_missing_folder_are_an_error(workshop: Any) -> None:
    with pytest.raises(ContextError, match="lstat /gone: no such file or directory"):
        workshop.do("COPY gone/* /x/")


def test_a_link_before_the_wildcard_is_followed(workshop: Any) -> None:
    workshop.fill({"real/a.txt": "A", "link": "-> real"})
    workshop.do("COPY link/*.txt /x/")
    assert workshop.tree() == {"x": None, "x/a.txt": "A"}


def test_ignored_files_are_not_there(workshop: Any) -> None:
    workshop.fill({"a": "", "b.log": "", "d/c.log": "", "node_modules/m": ""})
    workshop.with_(ignore="**/*.log\nnode_modules\n").do("COPY . /x/")
    assert _files(workshop) == ["x/a"]
    assert workshop.tree()["x/d"] is None


def test_an_exception_brings_its_folders_with_it(workshop: Any) -> None:
    workshop.fill({"d/e/keep": "", "d/e/other": "", "d/f/other": "", "top": ""})
    workshop.with_(ignore="*\n!d/e/keep\n").do("COPY . /x/")
    assert workshop.tree() == {"x": None, "x/d": None, "x/d/e": None, "x/d/e/keep": ""}


def test_a_folder_of_which_everything_is_ignored_is_not_there(workshop: Any) -> None:
    workshop.fill({"d/a": ""})
    with pytest.raises(ContextError, match='"/d": not found'):
        workshop.with_(ignore="**\n!d/other\n").do("COPY d /x/")


def test_a_link_that_is_ignored_is_not_followed(workshop: Any) -> None:
    workshop.fill({"real": "", "link": "-> real"})
    with pytest.raises(ContextError, match='"/link": not found'):
        workshop.with_(ignore="link").do("COPY link /x/")


def test_a_link_to_what_is_ignored_leads_nowhere(workshop: Any) -> None:
    workshop.fill({"real": "", "link": "-> real"})
    with pytest.raises(ContextError, match='"/link": not found'):
        workshop.with_(ignore="real").do("COPY link /x/")


def test_exclude_is_relative_to_each_source(workshop: Any) -> None:
    workshop.fill({"d/a.txt": "", "d/b.md": "", "d/e/c.txt": ""})
    workshop.do("COPY --exclude=*.txt --exclude=e d /x/")
    assert _files(workshop) == ["x/b.md"]


def test_exclude_knows_exceptions(workshop: Any) -> None:
    workshop.fill({"d/e/a": "", "d/e/keep": ""})
    workshop.do("COPY --exclude=e --exclude=!e/keep d /x/")
    assert _files(workshop) == ["x/e/keep"]


def test_exclude_does_not_touch_a_file_that_is_a_source_itself(workshop: Any) -> None:
    workshop.fill({"a.txt": ""})
    workshop.do("COPY --exclude=*.txt a.txt /x/")
    assert _files(workshop) == ["x/a.txt"]


def test_parents_keeps_the_folders_of_a_source(workshop: Any) -> None:
    workshop.fill({"a/b/c.txt": "", "a/b/d.txt": "", "a/e": ""})
    workshop.context.joinpath("a/b").chmod(0o711)
    workshop.do("COPY --parents a/b/*.txt /x/")
    assert _files(workshop) == ["x/a/b/c.txt", "x/a/b/d.txt"]
    assert workshop.mode("x/a/b") == 0o711


def test_parents_starts_at_the_pivot(workshop: Any) -> None:
    workshop.fill({"a/b/c/d": ""})
    workshop.do("COPY --parents a/./b/c /x/")
    assert _files(workshop) == ["x/b/c/d"]


def test_parents_understands_any_depth(workshop: Any) -> None:
    workshop.fill({"a/go.mod": "", "a/b/go.mod": "", "a/b/main.go": ""})
    workshop.do("COPY --parents **/go.mod /x/")
    assert _files(workshop) == ["x/a/b/go.mod", "x/a/go.mod"]


def test_parents_wants_a_source_without_wildcards_to_be_there(workshop: Any) -> None:
    workshop.fill({"a": ""})
    with pytest.raises(ContextError, match='"/gone/file": not found'):
        workshop.do("COPY --parents gone/file /x/")
    workshop.do("COPY --parents gone/* /x/")
