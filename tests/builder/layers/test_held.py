"""Members whose content is held while others write to the files."""

import io
import os
import resource
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from yadokari_builder.layers.compression import Compression, CompressionKind
from yadokari_builder.layers.held import Held, hold
from yadokari_builder.layers.members import members_of_paths
from yadokari_builder.layers.pack import pack
from yadokari_builder.rootfs.boundary import Boundary

PLAIN = Compression(CompressionKind.NONE)
PLENTY = 1 << 20
LARGE = b"as it was\n" * 10_000
AS_IT_WAS = {"large": LARGE, "large-too": "large", "link": "large", "small": b"as it was"}


def fill(root: Path) -> None:
    (root / "large").write_bytes(LARGE)
    (root / "small").write_bytes(b"as it was")
    (root / "link").symlink_to("large")
    os.link(root / "large", root / "large-too")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a root in it, and a folder for what is packed."""
    for name in ("root", "out"):
        (tmp_path / name).mkdir()
    fill(tmp_path / "root")
    return tmp_path


def hold_all(folder: Path, limit: int = PLENTY) -> Held:
    paths = [f"/{name}" for name in os.listdir(folder / "root")]
    return hold(members_of_paths(paths, Boundary(folder / "root")), limit, folder / "out")


def packed(held: Held, folder: Path) -> dict[str, bytes | str]:
    """Pack what is held; returns what files hold and links say."""
    with tarfile.open(
        fileobj=io.BytesIO(pack(held, folder / "out", compression=PLAIN).file.open().read())
    ) as archive:
        found: dict[str, bytes | str] = {}
        for member in archive:
            file = archive.extractfile(member) if member.isreg() else None
            found[member.name] = file.read() if file else member.linkname
        return found


@pytest.mark.parametrize(
    "change",
    [
        lambda root: [(root / name).write_text("new") for name in ("small", "large")],
        lambda root: os.truncate(root / "large", 3),
        lambda root: os.rename(root / "small", root / "large"),
        lambda root: (root / "large").chmod(0o600),
        lambda root: [path.unlink() for path in root.iterdir()],
    ],
    ids=["rewritten", "truncated", "replaced", "metadata", "deleted"],
)
def test_what_is_held_is_packed_as_it_was(folder: Path, change: Callable[[Path], object]) -> None:
    held = hold_all(folder)
    assert held.rest is None
    assert held.size == len(LARGE) + 9 < held.memory
    change(folder / "root")
    assert packed(held, folder) == AS_IT_WAS


@pytest.mark.parametrize("limit", [0, 1000, 2000, len(LARGE), len(LARGE) + 1000])
def test_what_is_beyond_the_limit_follows_as_it_is_when_it_is_packed(folder: Path, limit: int) -> None:
    held = hold_all(folder, limit)
    assert held.rest is not None
    assert held.memory <= limit
    assert packed(held, folder) == AS_IT_WAS


def test_all_that_a_member_takes_counts(folder: Path) -> None:
    os.setxattr(folder / "root" / "small", "user.note", b"x" * 1000)
    (folder / "root" / "link-too").symlink_to("t" * 1000)
    paths = ["/small", "/link-too"]
    held = hold(members_of_paths(paths, Boundary(folder / "root")), PLENTY, folder / "out")
    assert held.memory > 2000


def test_a_file_that_becomes_shorter_meanwhile_is_not_held(folder: Path) -> None:
    members = list(members_of_paths(["/small"], Boundary(folder / "root")))
    (folder / "root" / "small").write_text("as")
    assert hold(members, PLENTY, folder / "out").rest is not None


@pytest.fixture
def xfs(tmp_path: Path) -> Iterator[Path]:
    """Return a folder like `folder` on a file system whose files can share blocks."""
    if os.geteuid() != 0 or not shutil.which("mkfs.xfs"):
        pytest.skip("a file system is made and mounted by root, with mkfs.xfs")
    image, place = tmp_path / "image", tmp_path / "mounted"
    place.mkdir()
    with image.open("wb") as file:
        file.truncate(400 << 20)
    subprocess.run(["mkfs.xfs", "-q", str(image)], check=True)
    mount = subprocess.run(["mount", "-o", "loop", str(image), str(place)], capture_output=True, text=True)
    if mount.returncode:
        pytest.skip(f"file systems cannot be mounted here: {mount.stderr.strip()}")
    try:
        for name in ("root", "out"):
            (place / name).mkdir()
        fill(place / "root")
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_where_files_can_share_blocks_content_needs_no_memory(xfs: Path) -> None:
    held = hold_all(xfs, 5000)
    assert held.rest is None
    assert held.size == len(LARGE) + 9 > held.memory
    (xfs / "root" / "large").write_text("new")
    (xfs / "root" / "small").unlink()
    assert packed(held, xfs) == AS_IT_WAS
    held.release()
    assert list((xfs / "out").iterdir()) == []  # nothing has a name that a step could find


def test_clones_leave_most_of_the_free_space_alone(xfs: Path) -> None:
    with (xfs / "root" / "large").open("ab") as file:
        os.posix_fallocate(file.fileno(), 0, 60 << 20)
    assert hold_all(xfs, 5000).rest is not None


def test_clones_leave_descriptors_for_others(xfs: Path) -> None:
    for number in range(100):
        (xfs / "root" / f"file{number:03}").write_bytes(b"x" * 100_000)
    with fewer_descriptors(90):
        held = hold_all(xfs, 150_000)
        assert held.rest is not None
        assert len(packed(held, xfs)) == 104
        held.release()


@contextmanager
def fewer_descriptors(number: int) -> Iterator[None]:
    """Let this process open so many files more at most."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(map(int, os.listdir("/proc/self/fd")))
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + number, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
