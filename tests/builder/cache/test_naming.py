import os
import re
from dataclasses import astuple
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.caches import AMD64
from yadokari_builder.cache.naming import cache_name, files_name
from yadokari_builder.dockerfile.ignore import IgnorePatterns
from yadokari_builder.errors import ContextError
from yadokari_builder.oci.platform import Platform
from yadokari_builder.run.mounts.caches import CacheKey
from yadokari_builder.sources.tree import ROOT_OWNER, SourceTree
from yadokari_contract.references import TAG

ids = st.text(st.characters(codec=None)) | st.sampled_from(
    ["/root/.cache/pip", "..", "", "é", "\udcff", "a:b"]
)
keys = st.builds(CacheKey, ids, ids, st.integers(0, 9), st.integers(0, 9), st.integers(0, 0o7777))


@given(key=keys, scope=ids)
def test_whatever_its_id_a_cache_has_a_name_that_is_a_tag_and_a_files(key: CacheKey, scope: str) -> None:
    name = cache_name(key, scope, AMD64)
    assert re.fullmatch(TAG, name)
    assert len(f"{name}.tar.zst") < 255
    assert name == cache_name(CacheKey(*astuple(key)), scope, AMD64)


@given(one=st.tuples(keys, ids), other=st.tuples(keys, ids))
def test_caches_of_other_keys_or_scopes_have_other_names(
    one: tuple[CacheKey, str], other: tuple[CacheKey, str]
) -> None:
    assert (cache_name(*one, AMD64) == cache_name(*other, AMD64)) == (one == other)


@given(key=keys, scope=ids)
def test_no_id_reaches_into_another_scope(key: CacheKey, scope: str) -> None:
    main = cache_name(CacheKey("pip"), "main", AMD64)
    assert (cache_name(key, scope, AMD64) == main) == (scope == "main" and key == CacheKey("pip"))


def test_a_name_begins_with_what_people_know_it_by_and_stays_the_same() -> None:
    name = cache_name(CacheKey("/root/.cache/pip"), "team", AMD64)
    digest = "fdaddd8ed493a6b2bcc692b98730596a9b1b30fcc95f08b441a39d72305f4ec7"
    assert name == f"mount-root-.cache-pip-{digest}"
    assert name != cache_name(CacheKey("/root/.cache/pip"), "team", Platform("linux", "arm64"))


def make_tree(root: Path) -> SourceTree:
    (root / "seed/folder").mkdir(parents=True)
    (root / "seed/file").write_text("text")
    (root / "seed/folder/other").write_text("other")
    (root / "seed/link").symlink_to("file")
    os.chmod(root / "seed", 0o755)
    return SourceTree(root)


def change_content(root: Path) -> None:
    (root / "seed/file").write_text("TEXT")


def rename(root: Path) -> None:
    (root / "seed/file").rename(root / "seed/fil")


def move(root: Path) -> None:
    (root / "seed/folder/other").rename(root / "seed/other")


def change_mode(root: Path) -> None:
    os.chmod(root / "seed/file", 0o600)


def change_top(root: Path) -> None:
    os.chmod(root / "seed", 0o700)


def change_link(root: Path) -> None:
    (root / "seed/link").unlink()
    (root / "seed/link").symlink_to("folder")


def change_owner(root: Path) -> None:
    os.chown(root / "seed/file", 1, 1)


@pytest.mark.parametrize(
    "change", [change_content, rename, move, change_mode, change_top, change_link, change_owner]
)
def test_files_have_another_name_once_they_are_others(tmp_path: Path, change: object) -> None:
    assert callable(change)
    before = files_name(make_tree(tmp_path), "/seed")
    change(tmp_path)
    assert files_name(SourceTree(tmp_path), "/seed") != before


def test_the_same_files_have_the_same_name_wherever_and_whenever(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    make_tree(one)
    make_tree(other)
    (other / "seed").rename(other / "elsewhere")
    (other / "seed").symlink_to("elsewhere")
    os.utime(other / "elsewhere/file", (1, 1))
    assert files_name(SourceTree(one), "/seed") == files_name(SourceTree(other), "/seed")


def test_the_name_of_a_contexts_files_is_that_of_what_a_step_would_get(tmp_path: Path) -> None:
    make_tree(tmp_path)
    ignored = IgnorePatterns.parse("seed/folder")
    whole = files_name(SourceTree(tmp_path, owner=ROOT_OWNER), "/seed")
    assert files_name(SourceTree(tmp_path, owner=ROOT_OWNER, ignored=ignored), "/seed") != whole
    change_owner(tmp_path)
    assert files_name(SourceTree(tmp_path, owner=ROOT_OWNER), "/seed") == whole


@pytest.mark.parametrize("path", ["/nowhere", "/seed/file/below"])
def test_files_that_are_not_there_have_no_name(tmp_path: Path, path: str) -> None:
    with pytest.raises(ContextError, match="not found"):
        files_name(make_tree(tmp_path), path)
