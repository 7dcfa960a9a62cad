from pathlib import Path

import pytest

from support.trees import describe
from yadokari_builder.build.root.standing import HiddenError, StandingTree, hides, set_aside
from yadokari_builder.plan.lodge import Taken
from yadokari_builder.rootfs.boundary import Boundary


@pytest.fixture
def boundary(tmp_path: Path) -> Boundary:
    """Return a root with mounts at /etc/hosts and, in a folder of the container's, /run/secrets/mount."""
    root = tmp_path / "root"
    for folder in ("etc", "run/secrets/mount", "out/deep", "usr/bin"):
        (root / folder).mkdir(parents=True)
    for file in ("etc/hosts", "etc/passwd", "out/a", "out/deep/b", "usr/bin/sh"):
        (root / file).write_text(file)
    (root / "link").symlink_to("/out")
    (root / "out/sh").symlink_to("../usr/bin/sh")
    (root / "out/mounted").symlink_to("/etc/hosts")
    return Boundary(root, frozenset({"/etc/hosts", "/run/secrets/mount"}))


@pytest.fixture
def tree(boundary: Boundary) -> StandingTree:
    return StandingTree(boundary, ["/run/secrets"])


def names(folder: Path) -> set[str]:
    return set(describe(folder)) - {"/", ""}


def test_what_is_the_stages_own_is_there(tree: StandingTree) -> None:
    assert tree.resolve("/link/deep/b") == "/out/deep/b"
    assert [name for name, _ in tree.entries("/out")] == ["a", "deep", "mounted", "sh"]
    assert tree.lstat("/etc/passwd").st_size


@pytest.mark.parametrize("path", ["/etc/hosts", "/run/secrets", "/run/secrets/mount", "/run/secrets/mount/a"])
def test_what_is_the_containers_own_is_not_taken_for_the_stages(tree: StandingTree, path: str) -> None:
    with pytest.raises(HiddenError) as raised:
        tree.lstat(path)
    assert raised.value.path == path


def test_a_link_to_what_is_the_containers_is_not_followed(tree: StandingTree) -> None:
    with pytest.raises(HiddenError):
        tree.resolve("/out/mounted")


@pytest.mark.parametrize("folder", ["/", "/etc", "/run"])
def test_a_folder_that_leads_to_what_is_the_containers_is_not_listed(tree: StandingTree, folder: str) -> None:
    with pytest.raises(HiddenError):
        tree.entries(folder)


@pytest.mark.parametrize(
    ("path", "has_wildcards", "is_hidden"),
    [
        ("/etc", True, True),
        ("/etc/hosts", False, True),
        ("/etc/pass*", True, True),
        ("/etc/pass*", False, False),
        ("/o*", True, True),
        ("/etc/passwd", True, False),
        ("/out/*", True, False),
    ],
)
def test_what_is_taken_of_the_containers_is_known_before(
    boundary: Boundary, path: str, has_wildcards: bool, is_hidden: bool
) -> None:
    assert hides(boundary, Taken(path, has_wildcards)) is is_hidden


@pytest.mark.parametrize(
    ("taken", "moved"),
    [
        ([Taken("/link/deep", False)], {"/link", "/out", "/out/deep", "/out/deep/b"}),
        ([Taken("/out/s*", True)], {"/out", "/out/sh", "/usr", "/usr/bin", "/usr/bin/sh"}),
        ([Taken("/out/a", True), Taken("/out/missing/*", True), Taken("/no", False)], {"/out", "/out/a"}),
        ([Taken("/out/deep/x*", True)], {"/out", "/out/deep", "/out/deep/b"}),
    ],
)
def test_what_is_taken_is_put_aside_with_the_links_that_lead_there(
    tree: StandingTree, taken: list[Taken], moved: set[str], tmp_path: Path
) -> None:
    aside = tmp_path / "aside"
    aside.mkdir()
    set_aside(tree, taken, str(aside))
    assert {f"/{name.strip('/')}" for name in names(aside)} == moved


def test_nothing_is_put_aside_where_a_part_is_the_containers(tree: StandingTree, tmp_path: Path) -> None:
    with pytest.raises(HiddenError):
        set_aside(tree, [Taken("/link/deep", False), Taken("/etc", False)], str(tmp_path))
    assert tree.lstat("/out/deep/b")
