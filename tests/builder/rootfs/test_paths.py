import ctypes
import errno
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yadokari_builder.rootfs.paths import normalise, parents, resolve

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


def test_a_loop_of_links_is_an_error(root: Path) -> None:
    with pytest.raises(OSError, match="too many links") as caught:
        resolve(root, "/loop/a")
    assert caught.value.filename == "/loop/a"


def test_links_through_ever_so_many_folders_are_an_error(tmp_path: Path) -> None:
    tmp_path.joinpath("d/" * 30).mkdir(parents=True)
    around = "d/" * 30 + "../" * 30
    tmp_path.joinpath("l0").symlink_to("d")
    for number in range(1, 200):
        tmp_path.joinpath(f"l{number}").symlink_to(f"{around}l{number - 1}")
    assert resolve(tmp_path, "/l50") == "/d"
    with pytest.raises(OSError, match="too many links"):
        resolve(tmp_path, "/l199")


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


@given(st.lists(NAMES))
def test_every_parent_is_the_folder_of_the_one_before(names: list[str]) -> None:
    path = normalise("/".join(names))
    above = list(parents(path))
    assert above == [os.path.dirname(each) for each in [path, *above][:-1]]
    assert (above or [path])[-1] == "/"


# openat2(2), which neither os nor libc has: how to open, and to take a descriptor for the root.
_OPENAT2 = 437
_RESOLVE_IN_ROOT = 0x10

FEW = st.sampled_from(["a", "b", "c"])
STEPS = st.lists(st.one_of(FEW, st.sampled_from(["..", ".", ""])), min_size=1, max_size=6).map("/".join)
ENTRIES = st.one_of(st.just(None), st.just(""), STEPS, STEPS.map(lambda path: f"/{path}"))
TREES = st.dictionaries(st.lists(FEW, min_size=1, max_size=3).map("/".join), ENTRIES, max_size=12)


def plant(root: Path, tree: dict[str, str | None]) -> None:
    """Make folders (None), files (nothing) and links (their targets) where nothing is in the way."""
    for name, target in sorted(tree.items()):
        path = root / name
        is_free = path.parent.is_dir() and not os.path.lexists(path)
        if not is_free or os.path.realpath(path.parent) != str(path.parent):
            continue
        if target is None:
            path.mkdir()
        elif target:
            path.symlink_to(target)
        else:
            path.touch()


def open_in_root(root: Path, path: str) -> int:
    """Open what a path leads to for the kernel, were it chrooted to a folder; raises OSError."""
    how = (ctypes.c_uint64 * 3)(os.O_PATH | os.O_CLOEXEC, 0, _RESOLVE_IN_ROOT)
    folder = os.open(root, os.O_PATH | os.O_DIRECTORY)
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        opened = int(libc.syscall(_OPENAT2, folder, os.fsencode(path), how, ctypes.sizeof(how)))
    finally:
        os.close(folder)
    if opened < 0 and ctypes.get_errno() == errno.EAGAIN:
        # Something was renamed meanwhile, anywhere on this machine (openat2(2)).
        return open_in_root(root, path)
    if opened < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), path)
    return opened


def reached_by_the_kernel(root: Path, path: str) -> str | None:
    """Return where the kernel gets to, None where it gets to nothing."""
    try:
        opened = open_in_root(root, path)
    except OSError as error:
        if error.errno == errno.ENOSYS:
            pytest.skip("the kernel has no openat2")
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            return None
        raise
    try:
        return os.readlink(f"/proc/self/fd/{opened}").removeprefix(str(root)) or "/"
    finally:
        os.close(opened)


@pytest.mark.long
@given(TREES, STEPS)
@settings(max_examples=300, deadline=None)
def test_where_the_kernel_gets_to_we_get_to(tree: dict[str, str | None], path: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "root")
        root.mkdir()
        plant(root, tree)
        for name in [path, *tree, *(f"{name}/{path}" for name in tree)]:
            reached = reached_by_the_kernel(root, name)
            assert reached is None or resolve(root, name) == reached
