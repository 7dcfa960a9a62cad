"""What COPY takes from a tree, compared with asking for each file by itself."""

import os
import stat
import tempfile
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.trees import deep_folder
from yadokari_builder.dockerfile.ignore import IgnorePatterns
from yadokari_builder.errors import ContextError
from yadokari_builder.sources.selection import Chosen, select
from yadokari_builder.sources.tree import SourceTree

NAMES = st.sampled_from(["a", "b", "c"])
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)
PATTERNS = st.lists(
    st.builds(
        lambda mark, parts: mark + "/".join(parts),
        st.sampled_from(["", "", "!"]),
        st.lists(st.sampled_from(["a", "b", "c", "*", "**", "?"]), min_size=1, max_size=3),
    ),
    max_size=4,
).map(IgnorePatterns.of)


def plant(root: Path, files: Iterable[str]) -> None:
    for name in sorted(files):
        path = root / name
        if not path.exists() and not any(each.is_file() for each in path.parents):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()


def says(patterns: IgnorePatterns, name: str) -> bool:
    """Tell what patterns say of a path to whoever comes from above."""
    match = None
    for path in [*reversed(Path(name).parents[:-1]), Path(name)]:
        match = patterns.match(str(path), match)
    return match is not None and match.is_ignored


def expected(
    root: Path, ignored: IgnorePatterns, include: IgnorePatterns, exclude: IgnorePatterns
) -> set[str]:
    """Name what is taken: what no pattern leaves out, and the folders on the way to it."""

    def is_hidden(name: str) -> bool:
        path = root / name
        if not says(ignored, name):
            return False
        return not path.is_dir() or all(is_hidden(f"{name}/{below}") for below in os.listdir(path))

    taken = set()
    for path in root.rglob("*"):
        name = str(path.relative_to(root))
        is_there = not any(is_hidden(str(each)) for each in [Path(name), *Path(name).parents][:-1])
        if is_there and says(include, name) and not says(exclude, name):
            taken |= {name, *(str(parent) for parent in Path(name).parents)}
    return taken - {"."}


@given(st.sets(PATHS, max_size=10), PATTERNS, PATTERNS, PATTERNS)
@settings(max_examples=300, deadline=None)
def test_what_no_pattern_leaves_out_is_taken_with_the_folders_on_the_way(
    files: set[str], ignored: IgnorePatterns, include: IgnorePatterns, exclude: IgnorePatterns
) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        plant(root, files)
        tree = SourceTree(root, ignored=ignored)
        top, *chosen = select(tree, "/", include=include, exclude=exclude)
        places = [each.place for each in chosen]
        assert (top.path, top.place) == ("/", "")
        assert set(places) == expected(root, ignored, include, exclude)
        assert len(places) == len(set(places))
        assert places == sorted(places, key=lambda place: place.split("/"))
        assert all(is_right(each, root) for each in chosen)


def is_right(chosen: Chosen, root: Path) -> bool:
    return chosen.path == f"/{chosen.place}" and os.path.samestat(
        os.lstat(root / chosen.place), chosen.status
    )


def test_files_and_links_can_be_opened_on_the_way(tmp_path: Path) -> None:
    for name in ("a/b/file", "a/c", "z"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "link").symlink_to("anywhere")
    open_before = os.listdir("/proc/self/fd")
    held = {}
    for chosen in select(SourceTree(tmp_path), "/"):
        if stat.S_ISREG(chosen.status.st_mode):
            with open(chosen.open(), encoding="utf-8") as file:
                held[chosen.place] = file.read()
        elif stat.S_ISLNK(chosen.status.st_mode):
            held[chosen.place] = chosen.target()
    assert held == {"a/b/file": "a/b/file", "a/c": "a/c", "z": "z", "link": "anywhere"}
    walk = select(SourceTree(tmp_path), "/")
    assert [next(walk).place for _ in range(3)] == ["", "a", "a/b"]
    walk.close()
    assert os.listdir("/proc/self/fd") == open_before


def test_a_folder_is_taken_for_itself_or_for_what_is_in_it(tmp_path: Path) -> None:
    plant(tmp_path, ["d/e/keep", "d/e/other", "f/other"])
    (tmp_path / "empty").mkdir()
    chosen = select(SourceTree(tmp_path), "/", include=IgnorePatterns.of(["d/*/keep", "empty"]))
    assert [(each.place, each.is_taken) for each in chosen] == [
        ("", True),
        ("d", False),
        ("d/e", False),
        ("d/e/keep", True),
        ("empty", True),
    ]


def test_a_file_keeps_the_name_that_it_was_asked_for_by(tmp_path: Path) -> None:
    plant(tmp_path, ["real"])
    (tmp_path / "link").symlink_to("real")
    (chosen,) = select(SourceTree(tmp_path), "/link")
    assert (chosen.path, chosen.place, chosen.host) == ("/real", "link", str(tmp_path / "real"))


def test_nothing_where_something_was_asked_for_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ContextError, match='"/gone": not found'):
        list(select(SourceTree(tmp_path), "/gone"))


@pytest.mark.parametrize("ignored", ["", "**\n!**/file\n", "**\n!**/nothing\n", "deep\n!other"])
def test_a_tree_may_be_deep(tmp_path: Path, ignored: str) -> None:
    with deep_folder(tmp_path, 1100, "a"):
        tree = SourceTree(tmp_path, ignored=IgnorePatterns.parse(ignored))
        chosen = [each.place for each in select(tree, "/")]
        assert len(chosen) == (1 if "nothing" in ignored or "other" in ignored else 1103)


def test_a_pipe_that_has_come_in_the_place_of_a_file_holds_nobody_up(tmp_path: Path) -> None:
    plant(tmp_path, ["d/a"])
    for chosen in select(SourceTree(tmp_path), "/d"):
        if chosen.place != "a":
            continue
        (tmp_path / "d/a").unlink()
        os.mkfifo(tmp_path / "d/a")
        file = chosen.open()
        try:
            assert os.read(file, 1) == b""
        finally:
            os.close(file)
        return
    pytest.fail("the file was not chosen")
