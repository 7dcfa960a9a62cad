import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.trees import describe, names_below
from yadokari_builder.rootfs.anchored import Anchor
from yadokari_builder.rootfs.boundary import Boundary
from yadokari_builder.rootfs.relocate import merge, move, move_contents, restore_contents
from yadokari_builder.rootfs.tree import clear, copy_tree
from yadokari_builder.sources.selection import select
from yadokari_builder.sources.tree import SourceTree


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Anchor]:
    (tmp_path / "work").mkdir()
    anchor = Anchor.open(tmp_path / "work")
    yield anchor
    anchor.close()


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """Where an attacker would lead us."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "secret").write_text("secret")
    return folder


def put_in_place(path: Path, target: Path) -> None:
    """Do what a step may do: put a link where a directory was."""
    path.rename(path.with_name("moved-away"))
    path.symlink_to(target)


def test_a_link_in_the_place_of_a_directory_that_is_held_leads_nowhere(
    work: Anchor, tmp_path: Path, elsewhere: Path
) -> None:
    stage = work.make("0")
    (stage.path / "file").write_text("file")
    put_in_place(tmp_path / "work/0", elsewhere)
    assert [each.place for each in select(SourceTree(stage.path), "/")] == ["", "file"]
    (stage.path / "later").write_text("later")
    assert os.listdir(elsewhere) == ["secret"]
    stage.close()


def test_a_link_in_the_place_of_what_is_above_leads_nowhere(
    work: Anchor, tmp_path: Path, elsewhere: Path
) -> None:
    put_in_place(tmp_path / "work", elsewhere)
    stage = work.make("0")
    (stage.path / "file").write_text("file")
    assert os.listdir(elsewhere) == ["secret"]
    assert (tmp_path / "moved-away/0/file").exists()
    stage.close()


def test_a_link_is_no_directory_to_enter(work: Anchor, elsewhere: Path) -> None:
    (work.path / "0").symlink_to(elsewhere)
    with pytest.raises(NotADirectoryError):
        work.enter("0")
    with pytest.raises(FileExistsError):
        work.make("0")


def test_trees_are_moved_copied_and_cleared_there_as_elsewhere(work: Anchor, tmp_path: Path) -> None:
    root = tmp_path / "root"
    for name in ("etc/hosts", "etc/ssl/cert", "a/b"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    before = sorted(names_below(root))
    boundary = Boundary(root, frozenset({"/etc/hosts"}))
    stage, copy, staging = work.make("stage"), work.make("copy"), work.make("staging")
    move_contents(boundary, str(stage.path))
    (staging.path / "etc").mkdir()
    (staging.path / "etc/hosts").write_text("theirs")
    merge(str(staging.path), str(stage.path))
    copy_tree(str(stage.path), str(copy.path))
    assert describe(copy.path) == describe(stage.path)
    restore_contents(boundary, str(stage.path))
    assert sorted(names_below(root)) == before
    move(str(copy.path / "a"), str(stage.path / "a"))
    clear(Boundary(copy.path))
    assert (os.listdir(copy.path), os.listdir(stage.path)) == ([], ["a"])
    for anchor in (stage, copy, staging):
        anchor.close()


def test_no_step_gets_a_descriptor(work: Anchor) -> None:
    stage = work.make("0")
    assert not os.get_inheritable(work.descriptor)
    assert not os.get_inheritable(stage.descriptor)
    stage.close()
