"""Whatever links the context and the root hold, nothing outside of the root changes or is read."""

import os
import tempfile
from pathlib import Path

import pytest
import urllib3
from hypothesis import given, settings
from hypothesis import strategies as st

from support.sshd import NO_SSH
from yadokari_builder.copy.perform import Target, copy_files
from yadokari_builder.errors import ContextError
from yadokari_builder.plan.steps import ContextSource, CopyAction, LocalFiles
from yadokari_builder.rootfs.boundary import Boundary
from yadokari_builder.rootfs.paths import normalise
from yadokari_builder.sources.tree import SourceTree

SECRET = "outside"
NAMES = st.sampled_from(["a", "b", "c", "outside"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
LINKS = st.lists(st.sampled_from(["..", "a", "b", "outside", "."]), min_size=1, max_size=5).map("/".join)
ENTRIES = st.one_of(
    st.just(None),
    st.just("file"),
    LINKS.map(lambda path: f"-> {path}"),
    LINKS.map(lambda path: f"-> /{path}"),
    st.just("-> {outside}"),
)
TREES = st.dictionaries(PATHS, ENTRIES, max_size=8)

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="files are given to other users, which takes root")


def _plant(base: Path, tree: dict[str, str | None], outside: Path) -> None:
    for name, content in tree.items():
        path = base / name
        if any(each.is_symlink() or each.is_file() for each in [path, *path.parents]) or path.exists():
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            path.mkdir()
        elif content.startswith("-> "):
            path.symlink_to(content[3:].format(outside=outside))
        else:
            path.write_text(content)


@pytest.mark.long
@given(
    context=TREES, root=TREES, source=st.one_of(PATHS, st.just(".")), destination=PATHS, link=st.booleans()
)
@settings(max_examples=150, deadline=None)
def test_nothing_leaves_the_context_or_the_root(
    context: dict[str, str | None], root: dict[str, str | None], source: str, destination: str, link: bool
) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        base = Path(temporary)
        for name in ("context", "root", "staging", "outside", "outside/a"):
            base.joinpath(name).mkdir()
        base.joinpath("outside/a/secret").write_text(SECRET)
        before = _listing(base / "outside")
        _plant(base / "context", context, base / "outside")
        _plant(base / "root", root, base / "outside")
        target = Target(Boundary(base / "root"), base / "staging", base)
        copied = (LocalFiles(normalise(source)),)
        action = CopyAction(copied, ContextSource(), f"/{destination}", is_linked=link)
        try:
            outcome = copy_files(action, SourceTree(base / "context"), target, urllib3.PoolManager(), NO_SSH)
        except ContextError:
            outcome = None
        assert _listing(base / "outside") == before
        written = [Path(folder, name) for folder, _, names in os.walk(base / "root") for name in names]
        assert all(path.is_symlink() or path.read_text() != SECRET for path in written)
        for path in outcome.paths if outcome else ():
            assert os.path.realpath(base / "root" / os.path.dirname(path)[1:]).startswith(str(base / "root"))


def _listing(folder: Path) -> list[tuple[str, int, int]]:
    found = [folder, *sorted(folder.rglob("*"))]
    return [(str(path), path.lstat().st_mtime_ns, path.lstat().st_mode) for path in found]
