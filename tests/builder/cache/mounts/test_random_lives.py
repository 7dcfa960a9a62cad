"""Random lives of a cache: whatever steps do to its files, the next pod has what the last one left."""

import itertools
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from support.archives import ACL
from support.caches import MEGABYTE, Build
from support.operations import Operation, perform
from support.scripts import START, operations
from support.trees import Described, describe
from yadokari_builder.cache.mounts.places import Place

pytestmark = pytest.mark.long

LARGE = 300_000
"""Bytes of a file that nobody changes, so that most changes are few enough to be added."""

UNLIMITED = 100 * MEGABYTE

DEFAULT_ACL = ("system.posix_acl_default", ACL.decode("latin-1"))
HARD: list[list[Operation]] = [
    [*START, ("set_attribute", "d", *DEFAULT_ACL), ("change_mode", "", 0o1777)],
    [("write", "d/e/new", "new"), ("hard_link", "l", "d/l"), ("set_time", "b", -5_000_000_000)],
    [("remove", "d/f"), ("make_folder", "d/f"), ("write", "d/f/g", "below"), ("remove", "h")],
    [("rename", "d", "a"), ("make_anew", "d/e"), ("remove", "l"), ("write", "l", "a file now")],
]
builds = st.lists(st.lists(operations, min_size=1, max_size=5), min_size=2, max_size=8)
limits = st.sampled_from([UNLIMITED, LARGE + 12_000])


def test_whatever_becomes_of_a_cache_the_next_pod_has_what_the_last_one_left(place: Place) -> None:
    scopes = map(str, itertools.count())

    @settings(max_examples=12, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
    @example(HARD, UNLIMITED)
    @given(builds.map(lambda builds: [START, *builds]), limits)
    def check(builds: Sequence[Sequence[Operation]], limit: int) -> None:
        with TemporaryDirectory(prefix="lives-") as folder:
            live(Path(folder), place, next(scopes), builds, limit)

    check()


def live(pods: Path, place: Place, scope: str, builds: Sequence[Sequence[Operation]], limit: int) -> None:
    left: dict[str, Described] | None = None
    for number, changes in enumerate(builds):
        with (
            Build(pods / str(number), place, scope=scope, limit=limit) as build,
            build.step("pip") as (folder,),
        ):
            found = kept_of(folder)
            if left is None:
                (folder / "large").write_bytes(os.urandom(LARGE))
            else:
                assert found == left or (limit < UNLIMITED and is_part(found, left))
            perform(folder, changes)
            # What looks as it did is not kept again.
            (folder / "number").write_text("x" * number)
            left = kept_of(folder)


def kept_of(folder: Path) -> dict[str, Described]:
    """Tell what of a cache is kept, and what its own folder is, under an empty name."""
    told = {path: it for path, it in describe(folder, whole_seconds=True).items() if is_kept(it)}
    status = folder.stat()
    xattrs = tuple((name, os.getxattr(folder, name)) for name in sorted(os.listxattr(folder)))
    told[""] = Described(oct(status.st_mode), (status.st_uid, status.st_gid), 0, 0, "", "", xattrs)
    return told


def is_kept(described: Described) -> bool:
    return stat.S_IFMT(int(described.mode, 8)) in (stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK)


def is_part(found: dict[str, Described], left: dict[str, Described]) -> bool:
    """Tell whether all that is found was left, whichever names of its files are gone."""
    return all(
        path in left and each._replace(first_name="") == left[path]._replace(first_name="")
        for path, each in found.items()
    )
