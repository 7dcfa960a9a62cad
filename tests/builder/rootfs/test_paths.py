import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yadokari_builder.rootfs.paths import normalise, resolve

NAMES = st.sampled_from(["a", "b", ".", "..", "", "up", "abs", "loop"])


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("root")
    (root / "a" / "b").mkdir(parents=True)
    (root / "file").touch()
    for name, target in [
        ("abs", "/a"),
        ("a/up", "../../../.."),
        ("out", "/etc/../../a/b"),
        ("dangling", "/nowhere/at/all"),
        ("loop", "loop"),
        ("long0", "a/b"),
    ]:
        (root / name).symlink_to(target)
    for number in range(1, 101):
        (root / f"long{number}").symlink_to(f"long{number - 1}")
    return root


@pytest.mark.parametrize(
    ("path", "resolved"),
    [
        ("/", "/"),
        ("/a/b", "/a/b"),
        ("a//./b/", "/a/b"),
        ("/../../a", "/a"),
        ("/abs/b", "/a/b"),
        ("/a/up/a", "/a"),
        ("/out", "/a/b"),
        ("/dangling/x", "/nowhere/at/all/x"),
        ("/missing/../a", "/a"),
        ("/file/below", "/file/below"),
        ("/long100", "/a/b"),
    ],
)
def test_links_are_followed_as_if_the_root_were_the_whole_system(
    root: Path, path: str, resolved: str
) -> None:
    assert resolve(root, path) == resolved


def test_a_link_in_the_last_place_can_be_left_as_it_is(root: Path) -> None:
    assert resolve(root, "/abs", follow_last=False) == "/abs"
    assert resolve(root, "/abs/up", follow_last=False) == "/a/up"


def test_a_loop_of_links_is_an_error(root: Path) -> None:
    with pytest.raises(OSError, match="levels of symbolic links") as caught:
        resolve(root, "/loop/a")
    assert caught.value.filename == "/loop/a"


@given(st.lists(NAMES).filter(lambda names: "loop" not in names))
def test_no_path_leads_out_of_the_root(root: Path, names: list[str]) -> None:
    resolved = resolve(root, "/".join(names))
    inside = os.path.realpath(f"{root}{resolved}")
    assert inside == str(root).rstrip("/") + resolved.rstrip("/")


@given(st.lists(NAMES))
def test_normalised_paths_stay_as_they_are(names: list[str]) -> None:
    path = normalise("/".join(names))
    assert path.startswith("/")
    assert normalise(path) == path
    assert ".." not in path.split("/")
