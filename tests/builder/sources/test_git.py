"""ADD of git repositories, from git's own servers."""

import base64
import gc
import os
import random
import stat
import tracemalloc
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import urllib3
from dulwich.object_store import MemoryObjectStore
from dulwich.objects import Blob, Tree

from support.folders import remove_tree
from support.git import WHY_NO_GIT, daemon, git, make_repository, smart_http
from support.sshd import NO_SSH
from yadokari_builder.dockerfile.gitref import parse_git_ref
from yadokari_builder.errors import ContextError, DownloadError
from yadokari_builder.sources.checkout import Checkout, write_index
from yadokari_builder.sources.git import GitSource

pytestmark = [
    pytest.mark.skipif(bool(WHY_NO_GIT), reason=WHY_NO_GIT),
    # dulwich leaves a socket to the garbage collector where a server refuses.
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
]


@dataclass(frozen=True)
class Served:
    """A repository of two commits: `old` is tagged v1, the second is on `main` and `side`."""

    folder: Path
    address: str
    old: str
    new: str


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """Have the sockets collected here, where that is no error, and not in a test that comes later."""
    yield
    gc.collect()


@pytest.fixture(params=[smart_http, daemon], ids=["http", "git"])
def served(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Served]:
    place = tmp_path / "served"
    library = place / "library.git"
    (library / "deep").mkdir(parents=True)
    (library / "deep/file").write_text("of the library\n")
    make_repository(library)
    folder = place / "project.git"
    (folder / "docs").mkdir(parents=True)
    (folder / "docs/page").write_text("page\n")
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o755)
    (folder / "link").symlink_to("docs/page")
    make_repository(folder)
    git(folder, "tag", "-a", "-m", "tag", "v1")
    old = git(folder, "rev-parse", "HEAD")
    git(folder, "submodule", "add", "-q", "../library.git", "vendor/library")
    (folder / "docs/page").write_text("second page\n")
    git(folder, "commit", "-qam", "second")
    git(folder, "branch", "side")
    with request.param(place) as address:
        yield Served(folder, address, old, git(folder, "rev-parse", "HEAD"))


def test_a_link_to_a_name_that_cannot_be_is_an_error(tmp_path: Path) -> None:
    store, tree, blob = MemoryObjectStore(), Tree(), Blob.from_string(b"a\0b")
    tree.add(b"link", 0o120000, blob.id)
    store.add_object(blob)
    store.add_object(tree)
    with pytest.raises(ContextError, match="with a zero byte"):
        Checkout(store, "hostile", None).write(tree.id, tmp_path)


@pytest.mark.parametrize(("said", "set_"), [(2**80, 2**32 - 1), (-5, 0), (2**40, 2**32 - 1)])
def test_a_commit_may_say_any_time(tmp_path: Path, said: int, set_: int) -> None:
    store, tree, blob = MemoryObjectStore(), Tree(), Blob.from_string(b"content")
    tree.add(b"file", 0o100644, blob.id)
    store.add_object(blob)
    store.add_object(tree)
    checkout = Checkout(store, "hostile", said)
    checkout.write(tree.id, tmp_path)
    write_index(str(tmp_path / "index"), checkout)
    assert (tmp_path / "file").stat().st_mtime == set_


def test_a_repository_may_be_deep(tmp_path: Path) -> None:
    store = MemoryObjectStore()
    blob = Blob.from_string(b"content")
    tree = Tree()
    tree.add(b"file", 0o100644, blob.id)
    store.add_object(blob)
    store.add_object(tree)
    for _ in range(1100):
        above = Tree()
        above.add(b"a", 0o040000, tree.id)
        store.add_object(above)
        tree = above
    Checkout(store, "deep", 1_000_000_000).write(tree.id, tmp_path)
    folder = tmp_path / ("a/" * 1100)
    assert (folder / "file").read_text() == "content"
    assert {path.stat().st_mtime for path in (folder / "file", folder, tmp_path / "a")} == {1_000_000_000}
    remove_tree(tmp_path / "a")


def check_out(text: str, tmp_path: Path, *, keep_git_dir: bool = False) -> Path:
    ref = parse_git_ref(text)
    assert ref is not None
    folder, scratch = tmp_path / "out", tmp_path / "scratch"
    folder.mkdir()
    scratch.mkdir()
    GitSource(urllib3.PoolManager(), scratch, NO_SSH).check_out(ref, folder, keep_git_dir=keep_git_dir)
    return folder


def test_the_default_branch_comes_with_modes_links_and_submodules(served: Served, tmp_path: Path) -> None:
    folder = check_out(f"{served.address}/project.git", tmp_path)
    assert sorted(os.listdir(folder)) == [".gitmodules", "docs", "link", "run.sh", "vendor"]
    assert (folder / "docs/page").read_text() == "second page\n"
    assert stat.S_IMODE((folder / "run.sh").stat().st_mode) == 0o755
    assert stat.S_IMODE((folder / "docs/page").stat().st_mode) == 0o644
    assert os.readlink(folder / "link") == "docs/page"
    assert (folder / "vendor/library/deep/file").read_text() == "of the library\n"


@pytest.mark.parametrize("ref", ["v1", "refs/tags/v1", "tags/v1"])
def test_a_tag_is_followed_to_its_commit(served: Served, tmp_path: Path, ref: str) -> None:
    folder = check_out(f"{served.address}/project.git#{ref}", tmp_path)
    assert (folder / "docs/page").read_text() == "page\n"


def test_a_commit_that_nothing_names_is_found(served: Served, tmp_path: Path) -> None:
    git(served.folder, "tag", "-d", "v1")
    folder = check_out(f"{served.address}/project.git#{served.old}", tmp_path)
    assert (folder / "docs/page").read_text() == "page\n"


def test_a_subdirectory_comes_alone(served: Served, tmp_path: Path) -> None:
    folder = check_out(f"{served.address}/project.git#side:docs", tmp_path)
    assert os.listdir(folder) == ["page"]


def test_submodules_stay_away_where_they_are_not_wanted(served: Served, tmp_path: Path) -> None:
    folder = check_out(f"{served.address}/project.git?submodules=false", tmp_path)
    assert os.listdir(folder / "vendor/library") == []


def test_files_may_have_the_time_of_the_commit(served: Served, tmp_path: Path) -> None:
    folder = check_out(f"{served.address}/project.git?mtime=commit", tmp_path)
    assert (folder / "docs/page").stat().st_mtime == 1_000_000_000


def test_a_folder_that_keeps_its_repository_is_one_for_git(served: Served, tmp_path: Path) -> None:
    folder = check_out(f"{served.address}/project.git?submodules=false", tmp_path, keep_git_dir=True)
    assert git(folder, "rev-parse", "HEAD") == served.new
    assert git(folder, "status", "--porcelain") == ""
    assert git(folder, "rev-list", "--count", "HEAD") == "1"


def test_a_commit_can_be_fetched_though_its_branch_has_gone_on(served: Served, tmp_path: Path) -> None:
    query = f"branch=main&commit={served.old}&fetch-by-commit=true"
    folder = check_out(f"{served.address}/project.git?{query}", tmp_path)
    assert (folder / "docs/page").read_text() == "page\n"


def test_a_commit_other_than_expected_is_refused(served: Served, tmp_path: Path) -> None:
    with pytest.raises(ContextError, match=f"expected checksum to match {served.old}, got {served.new}"):
        check_out(f"{served.address}/project.git?checksum={served.old}", tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("project.git#nowhere", "repository does not contain ref nowhere"),
        ("project.git#main:nowhere", "there is no nowhere"),
        ("project.git#" + "a" * 40, "aaaa"),
        ("nothing.git", "nothing.git"),
    ],
)
def test_what_is_not_there_is_named(served: Served, tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ContextError, match=message):
        check_out(f"{served.address}/{text}", tmp_path)


def test_the_password_of_a_url_is_used_and_never_shown(tmp_path: Path) -> None:
    (tmp_path / "served/a.git").mkdir(parents=True)
    (tmp_path / "served/a.git/file").touch()
    make_repository(tmp_path / "served/a.git")
    with smart_http(tmp_path / "served", password=base64.b64encode(b"user:pass").decode()) as address:
        site = address.removeprefix("http://")
        assert (check_out(f"http://user:pass@{site}/a.git", tmp_path) / "file").exists()
        (tmp_path / "other").mkdir()
        with pytest.raises(ContextError, match="credentials") as caught:
            check_out(f"http://user:wrong@{site}/a.git", tmp_path / "other")
    assert "wrong" not in str(caught.value)


def test_a_server_that_is_not_there_may_be_tried_again(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"cannot be fetched: .*Connection refused"):
        check_out("http://127.0.0.1:1/a.git", tmp_path)


def test_a_repository_without_a_server_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ContextError, match="write it as https://"):
        check_out("git:///a/b.git", tmp_path)


@pytest.mark.long
def test_memory_is_a_matter_of_the_largest_file_not_of_the_repository(tmp_path: Path) -> None:
    noise = random.Random(0)
    files = {str(number): noise.randbytes(1 << 20) for number in range(24)}
    fetch_within(8 << 20, files, tmp_path)
    assert len(os.listdir(tmp_path / "out")) == 24


@pytest.mark.long
def test_a_file_that_is_too_large_is_refused_before_it_is_in_memory(tmp_path: Path) -> None:
    with pytest.raises(ContextError, match=r"it has a file of 129 MiB: .* can have 128 MiB"):
        fetch_within(8 << 20, {"large": bytes(129 << 20)}, tmp_path)


def fetch_within(memory: int, files: Mapping[str, bytes], tmp_path: Path) -> None:
    """Fetch a repository of these files, with no more than so many bytes of memory."""
    folder = tmp_path / "served/large.git"
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    make_repository(folder)
    with daemon(tmp_path / "served") as address:
        tracemalloc.start()
        try:
            check_out(f"{address}/large.git", tmp_path)
        finally:
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            assert peak < memory
