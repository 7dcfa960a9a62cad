"""Digests of what is copied: content counts, and what a copy takes over; times do not."""

import contextlib
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from yadokari_builder.cache.steps.content import Hashing
from yadokari_builder.dockerfile.chmod import ModeChange
from yadokari_builder.dockerfile.ignore import IgnorePatterns
from yadokari_builder.errors import ContextError
from yadokari_builder.plan.steps import LocalFiles, LocalPaths
from yadokari_builder.sources.tree import ROOT_OWNER, SourceTree

LARGE = 3 << 20

Digest = Callable[..., str]


@pytest.fixture
def context(tmp_path: Path) -> Path:
    root = tmp_path / "context"
    (root / "src/deep").mkdir(parents=True)
    (root / "src/main.py").write_text("main")
    (root / "src/deep/large").write_bytes(b"x" * LARGE)
    (root / "src/link").symlink_to("main.py")
    (root / "other").write_text("other")
    return root


@pytest.fixture
def digest(context: Path) -> Iterator[Digest]:
    with Hashing() as hashing:

        def digest(path: str = "/src", *, ignored: str = "", exclude: str = "", unpack: bool = False) -> str:
            tree = SourceTree(context, ignored=IgnorePatterns.parse(ignored), owner=ROOT_OWNER)
            excluded = IgnorePatterns.of([exclude]) if exclude else None
            return hashing.digest(tree, LocalFiles(path, unpack), excluded)

        yield digest


def test_a_digest_is_what_it_has_always_been(context: Path, digest: Digest) -> None:
    for path in (context / "src", context / "src/deep"):
        path.chmod(0o755)
    for path in (context / "src/main.py", context / "src/deep/large"):
        path.chmod(0o644)
    assert digest() == "8615b904e9f8b881db99d6a16667ec0b9c829b06fb4bad8ac97217bb7ec7fd4b"


def test_times_are_in_no_digest(context: Path, digest: Digest) -> None:
    before = digest()
    for path in (context / "src", context / "src/main.py", context / "src/deep"):
        os.utime(path, (1, 1))
    assert digest() == before


def rename(src: Path) -> None:
    (src / "main.py").rename(src / "renamed.py")


def turn(src: Path) -> None:
    (src / "link").unlink()
    (src / "link").symlink_to("deep")


def swap(src: Path) -> None:
    (src / "deep/other").write_text("main")
    (src / "main.py").unlink()


CHANGES: dict[str, Callable[[Path], object]] = {
    "content of the same length": lambda src: (src / "main.py").write_text("niam"),
    "content of a large file": lambda src: (src / "deep/large").write_bytes(b"y" * LARGE),
    "a name": rename,
    "a folder that a file is in": swap,
    "a mode": lambda src: (src / "main.py").chmod(0o755),
    "a folder's mode": lambda src: (src / "deep").chmod(0o700),
    "the mode of the folder itself": lambda src: src.chmod(0o700),
    "where a link leads": turn,
    "a file that comes": lambda src: (src / "new").touch(),
    "a folder that comes": lambda src: (src / "new").mkdir(),
    "a file that goes": lambda src: (src / "main.py").unlink(),
    "a second name of a file": lambda src: os.link(src / "main.py", src / "second"),
    "an attribute": lambda src: os.setxattr(src / "main.py", "user.a", b"b"),
    "a folder's attribute": lambda src: os.setxattr(src / "deep", "user.a", b"b"),
    "a fifo": lambda src: os.mkfifo(src / "fifo"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_a_copy_takes_over_is_in_the_digest(
    change: Callable[[Path], object], context: Path, digest: Digest
) -> None:
    before = digest()
    change(context / "src")
    assert digest() != before


def test_a_mode_that_a_copy_changes_counts_as_what_it_becomes(context: Path) -> None:
    file = context / "src/main.py"
    with Hashing() as hashing:

        def digest(chmod: str) -> str:
            change = ModeChange.parse(chmod)
            return hashing.digest(SourceTree(context), LocalFiles("/src"), None, mode=change)

        file.chmod(0o644)
        before = [digest(chmod) for chmod in ("644", "go=u-w", "u=rwX,go=rX", "o+r")]
        file.chmod(0o664)
        after = [digest(chmod) for chmod in ("644", "go=u-w", "u=rwX,go=rX", "o+r")]
        file.chmod(0o755)
        assert [one == other for one, other in zip(before, after, strict=True)] == [True, True, True, False]
        assert digest("u=rwX,go=rX") not in before
        assert digest("644") == before[0]


def test_two_names_of_one_file_are_not_two_files(context: Path, digest: Digest) -> None:
    os.link(context / "src/main.py", context / "src/second")
    linked = digest()
    (context / "src/second").unlink()
    (context / "src/second").write_text("main")
    assert digest() != linked


def test_what_is_not_taken_is_in_no_digest(context: Path, digest: Digest) -> None:
    before = digest(), digest(ignored="src/deep"), digest(exclude="deep")
    (context / "other").write_text("changed")
    assert digest() == before[0]
    (context / "src/deep/large").write_text("changed")
    assert (digest(ignored="src/deep"), digest(exclude="deep")) == before[1:]
    assert digest() != before[0]


def test_the_name_of_a_folder_is_not_in_the_digest_but_that_of_a_file_is(
    context: Path, digest: Digest
) -> None:
    before = digest("/src"), digest("/other")
    (context / "src").rename(context / "renamed")
    (context / "other").rename(context / "another")
    assert digest("/renamed") == before[0]
    assert digest("/another") != before[1]


def test_whom_files_belong_to_counts_where_it_is_kept(context: Path) -> None:
    copied = LocalFiles("/src")
    with Hashing() as hashing:

        def digests() -> tuple[str, str]:
            kept = hashing.digest(SourceTree(context), copied, None)
            return kept, hashing.digest(SourceTree(context, owner=ROOT_OWNER), copied, None)

        before = digests()
        if os.geteuid() != 0:
            pytest.skip("only root gives files away")
        os.chown(context / "src/main.py", 7, 8)
        assert digests()[0] != before[0]
        assert digests()[1] == before[1]


def test_an_archive_that_is_unpacked_is_another_thing_than_one_that_is_copied(digest: Digest) -> None:
    assert digest("/other") != digest("/other", unpack=True)


def test_wildcards_take_all_that_matches(context: Path, digest: Digest) -> None:
    before = digest("/o*")
    (context / "oh").touch()
    assert digest("/o*") != before
    assert digest("/nothing*") == digest("/neither*")


def test_paths_with_their_parents(context: Path) -> None:
    def digest() -> str:
        with Hashing() as hashing:
            tree = SourceTree(context, owner=ROOT_OWNER)
            return hashing.digest(tree, LocalPaths("/", IgnorePatterns.of(["src/deep"]), "/src/deep"), None)

    before = digest()
    (context / "src/main.py").write_text("changed")
    assert digest() == before
    (context / "src").chmod(0o711)
    assert digest() != before


def test_a_socket_is_no_hindrance(context: Path, digest: Digest, monkeypatch: pytest.MonkeyPatch) -> None:
    before = digest()
    with socket.socket(socket.AF_UNIX) as made:
        # Its path may be too long to bind to.
        monkeypatch.chdir(context / "src")
        made.bind("socket")
    assert digest() != before


def test_what_is_not_there_is_an_error(digest: Digest) -> None:
    with pytest.raises(ContextError, match="not found"):
        digest("/missing")


def test_no_file_stays_open(context: Path, digest: Digest) -> None:
    def descriptors() -> list[str]:
        links = []
        for number in os.listdir("/proc/self/fd"):
            with contextlib.suppress(FileNotFoundError):
                links.append(os.readlink(f"/proc/self/fd/{number}"))
        return [link for link in links if link.startswith(str(context))]

    for number in range(100):
        (context / f"src/deep/{number}").write_bytes(b"x" * (1 << 19))
    digest()
    assert descriptors() == []
