"""Where sources land: destinations, folders, links and what is in the way."""

import os
from typing import Any

import pytest

from support.folders import remove_tree
from support.trees import deep_folder
from yadokari_builder.errors import ContextError


def test_a_file_is_renamed_to_a_destination_without_a_slash(workshop: Any) -> None:
    workshop.fill({"a": "A"})
    outcome = workshop.do("COPY a /x/y")
    assert workshop.tree() == {"x": None, "x/y": "A"}
    assert outcome.paths == ("/x", "/x/y")


def test_a_file_goes_into_a_destination_with_a_slash(workshop: Any) -> None:
    workshop.fill({"a": "A"})
    workshop.do("COPY a /x/")
    assert workshop.tree() == {"x": None, "x/a": "A"}


def test_a_file_goes_into_a_folder_that_is_there(workshop: Any) -> None:
    workshop.fill({"a": "A"})
    workshop.fill_root({"x": None})
    outcome = workshop.do("COPY a /x")
    assert workshop.tree() == {"x": None, "x/a": "A"}
    assert outcome.paths == ("/x/a",)


def test_a_relative_destination_starts_at_the_working_directory(workshop: Any) -> None:
    workshop.fill({"a": "A"})
    workshop.with_(working_dir="/w").do("COPY a .")
    assert workshop.tree() == {"w": None, "w/a": "A"}


def test_what_is_in_a_folder_is_copied_and_not_the_folder(workshop: Any) -> None:
    workshop.fill({"d/a": "A", "d/e/b": "B"})
    workshop.do("COPY d /x")
    assert workshop.tree() == {"x": None, "x/a": "A", "x/e": None, "x/e/b": "B"}


def test_folders_merge(workshop: Any) -> None:
    workshop.fill({"d/e/b": "new"})
    workshop.fill_root({"x/e/b": "old", "x/e/c": "C"})
    workshop.do("COPY d /x")
    assert workshop.tree() == {"x": None, "x/e": None, "x/e/b": "new", "x/e/c": "C"}


def test_a_folder_does_not_replace_a_file(workshop: Any) -> None:
    workshop.fill({"d/a": "A"})
    workshop.fill_root({"x": "file"})
    with pytest.raises(ContextError, match="cannot copy to non-directory: /x"):
        workshop.do("COPY d /x")


def test_a_file_does_not_replace_a_folder(workshop: Any) -> None:
    workshop.fill({"d/a": "A"})
    workshop.fill_root({"x/a/b": "B"})
    with pytest.raises(ContextError, match="cannot replace to directory /x/a with file"):
        workshop.do("COPY d /x")


def test_a_file_in_the_way_of_a_parent_is_an_error(workshop: Any) -> None:
    workshop.fill({"a": "A"})
    workshop.fill_root({"x": "file"})
    with pytest.raises(ContextError, match="mkdir /x: not a directory"):
        workshop.do("COPY a /x/y/z")


def test_links_in_the_destination_are_followed_inside_the_root(workshop: Any) -> None:
    workshop.fill({"a": "A"})
    workshop.fill_root({"in": "-> /real/../other"})
    outcome = workshop.do("COPY a /in/x")
    assert workshop.tree() == {"in": "-> /real/../other", "other": None, "other/x": "A"}
    assert outcome.paths == ("/other", "/other/x")


def test_a_destination_that_is_a_link_to_a_file_keeps_the_link(workshop: Any) -> None:
    workshop.fill({"a": "new"})
    workshop.fill_root({"real": "old", "link": "-> real"})
    workshop.do("COPY a /link")
    assert workshop.tree() == {"real": "new", "link": "-> real"}


def test_a_link_in_a_folder_is_replaced_by_the_file_of_its_name(workshop: Any) -> None:
    workshop.fill({"d/a": "A"})
    workshop.fill_root({"x/a": "-> /other", "other": "kept"})
    workshop.do("COPY d /x/")
    assert workshop.tree() == {"other": "kept", "x": None, "x/a": "A"}


def test_a_link_as_source_is_followed_and_one_within_a_folder_is_kept(workshop: Any) -> None:
    workshop.fill({"real": "R", "link": "-> real", "d/in": "-> ../real"})
    workshop.do("COPY link d /x/")
    assert workshop.tree() == {"x": None, "x/link": "R", "x/in": "-> ../real"}


def test_a_link_out_of_the_context_stays_in_it(workshop: Any) -> None:
    (workshop.context.parent / "secret").write_text("secret")
    workshop.fill(
        {"out": "-> ../../secret", "absolute": f"-> {workshop.context.parent}/secret", "secret": "S"}
    )
    workshop.do("COPY out /x")
    assert workshop.tree() == {"x": "S"}
    with pytest.raises(ContextError, match='"/absolute": not found'):
        workshop.do("COPY absolute /y")


def test_links_in_a_circle_are_an_error(workshop: Any) -> None:
    workshop.fill({"a": "-> b", "b": "-> a"})
    with pytest.raises(ContextError, match="too many links"):
        workshop.do("COPY a /x")


def test_sources_do_not_lead_above_the_context(workshop: Any) -> None:
    (workshop.context.parent / "secret").write_text("secret")
    with pytest.raises(ContextError, match='"/secret": not found'):
        workshop.do("COPY ../secret /x")


def test_a_missing_source_is_named(workshop: Any) -> None:
    with pytest.raises(ContextError, match=r'failed to compute cache key: "/a/b": not found$'):
        workshop.do("COPY a/b /x")


def test_an_ignored_source_is_said_to_be_ignored(workshop: Any) -> None:
    workshop.fill({"a": "A"})
    with pytest.raises(ContextError, match=r'"/a": not found: it is there, but .dockerignore leaves it out'):
        workshop.with_(ignore="a").do("COPY a /x")


def test_link_starts_from_an_empty_root(workshop: Any) -> None:
    workshop.fill({"a": "A"})
    workshop.fill_root({"to/b": "B", "x": "-> to"})
    workshop.root.joinpath("etc").mkdir(mode=0o700)
    outcome = workshop.do("COPY --link a /x/")
    assert workshop.tree() == {"etc": None, "to": None, "to/b": "B", "x": None, "x/a": "A"}
    workshop.do("COPY --link a /etc/y/")
    assert workshop.mode("etc") == 0o755
    assert outcome.paths == ("/x", "/x/a")


def test_link_replaces_a_folder_by_a_file(workshop: Any) -> None:
    workshop.fill({"d/a": "A"})
    workshop.fill_root({"x/a/b": "B", "x/c": "C"})
    workshop.do("COPY --link d /x")
    assert workshop.tree() == {"x": None, "x/a": "A", "x/c": "C"}


def test_what_lands_on_the_executor_is_staged_and_not_written(workshop: Any) -> None:
    workshop.fill({"app/bin/python": "theirs", "app/b": "B"})
    workshop.fill_root({"yadokari/bin/python": "ours", "kaniko": "-> /yadokari"})
    outcome = workshop.with_(excluded=frozenset({"/yadokari", "/kaniko"})).do("COPY app /yadokari/")
    assert workshop.tree()["yadokari/bin/python"] == "ours"
    assert outcome.paths == ()
    assert {staged.path: staged.file.is_dir() or staged.file.read_text() for staged in outcome.staged} == {
        "/yadokari": True,
        "/yadokari/b": "B",
        "/yadokari/bin": True,
        "/yadokari/bin/python": "theirs",
    }


def test_links_of_the_executor_are_not_followed(workshop: Any) -> None:
    workshop.fill({"a": "A"})
    workshop.fill_root({"yadokari": None, "kaniko": "-> /yadokari"})
    outcome = workshop.with_(excluded=frozenset({"/yadokari", "/kaniko"})).do("COPY a /kaniko/a")
    assert [staged.path for staged in outcome.staged] == ["/kaniko", "/kaniko/a"]


def test_a_mounted_file_in_a_copied_folder_is_staged(workshop: Any) -> None:
    workshop.fill({"etc/hosts": "theirs", "etc/motd": "M"})
    workshop.fill_root({"etc/hosts": "ours"})
    outcome = workshop.with_(excluded=frozenset({"/etc/hosts"})).do("COPY . /")
    assert workshop.tree() == {"etc": None, "etc/hosts": "ours", "etc/motd": "M"}
    assert outcome.paths == ("/", "/etc", "/etc/motd")
    assert [(staged.path, staged.file.read_text()) for staged in outcome.staged] == [("/etc/hosts", "theirs")]


def test_every_mount_that_hides_what_is_copied_is_named_once(
    workshop: Any, caplog: pytest.LogCaptureFixture
) -> None:
    workshop.fill({"etc/hosts": "H", "etc/hostname": "N", "dev/a/b": "B", "etc/motd": "M"})
    workshop.with_(excluded=frozenset({"/etc/hosts", "/etc/hostname", "/dev", "/proc"})).do("COPY . /")
    assert [message.partition(" goes")[0] for message in caplog.messages] == [
        "what is copied to /dev, /etc/hostname, /etc/hosts"
    ]


def test_a_heredoc_becomes_a_file(workshop: Any) -> None:
    workshop.do("COPY <<one <<two /x/\n1\none\n2\ntwo")
    assert workshop.tree() == {"x": None, "x/one": "1\n", "x/two": "2\n"}
    assert workshop.mode("x/one") == 0o644


def test_a_heredoc_is_renamed_by_a_destination_without_a_slash(workshop: Any) -> None:
    workshop.do("COPY --chmod=0700 <<one /y\n1\none")
    assert workshop.tree() == {"y": "1\n"}
    assert workshop.mode("y") == 0o700


def test_a_linked_copy_sees_nothing_of_the_folders_that_are_there(workshop: Any) -> None:
    workshop.fill({"a": "A"})
    workshop.fill_root({"d/e/b": "B"})
    for folder in (workshop.root / "d", workshop.root / "d/e"):
        os.setxattr(folder, "user.note", b"theirs")
        os.utime(folder, (1, 1))
    outcome = workshop.do("COPY --link a /d/e/f/a")
    assert outcome.paths == ("/d", "/d/e", "/d/e/f", "/d/e/f/a")
    for folder in (workshop.root / "d", workshop.root / "d/e"):
        assert os.listxattr(folder) == []
        assert folder.stat().st_mtime > 1


def test_a_destination_may_be_deep(workshop: Any) -> None:
    workshop.fill({"a": "A"})
    workshop.do(f"COPY a {'/d' * 1100}/")
    assert (workshop.root / ("d/" * 1100) / "a").read_text() == "A"
    remove_tree(workshop.root / "d")


def test_a_source_may_be_deep(workshop: Any) -> None:
    with deep_folder(workshop.context, 1100, "d"):
        workshop.do("COPY . /x/")
        assert (workshop.root / "x/deep" / ("d/" * 1100) / "file").is_file()
        remove_tree(workshop.root / "x")


def test_what_the_system_refuses_is_named_as_the_dockerfile_sees_it(workshop: Any) -> None:
    name = "n" * 300
    workshop.fill({"a": "A", "yadokari": None})
    shop = workshop.with_(excluded=frozenset({"/yadokari"}))
    for line in (f"COPY {name} /x", f"COPY a /{name}", f"COPY a /yadokari/{name}"):
        with pytest.raises(ContextError, match=f"^(/yadokari)?/{name}: File name too long$"):
            shop.do(line)
