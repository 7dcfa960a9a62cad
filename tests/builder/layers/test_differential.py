"""Layers of random changes, applied by umoci and by our own unpack, are the tree that they were made from."""

import hashlib
import json
import os
import shutil
import stat
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.trees import Described, describe
from yadokari_builder.layers.apply import apply
from yadokari_builder.layers.boundary import Boundary
from yadokari_builder.layers.changes import compare
from yadokari_builder.layers.members import members_of_changes
from yadokari_builder.layers.pack import PackedLayer, pack
from yadokari_builder.layers.snapshot import Directory, Snapshot, settle, take

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="owners and devices need root"),
    pytest.mark.skipif(shutil.which("umoci") is None, reason="umoci is not installed"),
]

Operation = Callable[[Path], None]
NAMES = st.sampled_from(["a", "b", "c", "dir", "d.e", "é", "long" * 30])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)


def _write(path: str, content: bytes) -> Operation:
    def operation(root: Path) -> None:
        _parent(root, path)
        (root / path).write_bytes(content)

    return operation


def _parent(root: Path, path: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)


def _remove(path: str) -> Operation:
    def operation(root: Path) -> None:
        target = root / path
        if target.is_dir() and not target.is_symlink():
            shutil.rmtree(target)
        else:
            target.unlink()

    return operation


def _made_anew(path: str) -> Operation:
    def operation(root: Path) -> None:
        (root / path).rename(root / "old")
        (root / path).mkdir()
        _remove("old")(root)

    return operation


def _on(path: str, act: Callable[[Path], object]) -> Operation:
    def operation(root: Path) -> None:
        _parent(root, path)
        act(root / path)

    return operation


def _rename(old: str, new: str) -> Operation:
    return lambda root: os.rename(root / old, root / new)


def _hard_link(old: str, new: str) -> Operation:
    return lambda root: os.link(root / old, root / new, follow_symlinks=False)


operations = st.one_of(
    st.builds(_write, PATHS, st.binary(max_size=2000)),
    st.builds(_remove, PATHS),
    st.builds(_made_anew, PATHS),
    st.builds(_rename, PATHS, PATHS),
    st.builds(_hard_link, PATHS, PATHS),
    st.builds(_on, PATHS, st.just(lambda path: path.mkdir())),
    st.builds(_on, PATHS, PATHS.map(lambda target: lambda path: path.symlink_to(target))),
    st.builds(_on, PATHS, st.just(lambda path: os.mkfifo(path, 0o640))),
    st.builds(_on, PATHS, st.just(lambda path: os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 3)))),
    st.builds(
        _on,
        PATHS,
        st.sampled_from([0o600, 0o755, 0o4755, 0o2770, 0o1777]).map(
            lambda mode: lambda path: None if path.is_symlink() else path.chmod(mode)
        ),
    ),
    st.builds(
        _on,
        PATHS,
        st.sampled_from([(0, 0), (1, 2), (100_000, 3_000_000)]).map(
            lambda owner: lambda path: os.chown(path, *owner, follow_symlinks=False)
        ),
    ),
    st.builds(
        _on,
        PATHS,
        st.integers(0, 2**33).map(
            lambda mtime: lambda path: os.utime(path, (mtime, mtime), follow_symlinks=False)
        ),
    ),
    st.builds(
        _on,
        PATHS,
        st.binary(min_size=1, max_size=20).map(
            lambda value: lambda path: os.setxattr(path, "user.note", value, follow_symlinks=False)
        ),
    ),
)
steps = st.lists(st.lists(operations, min_size=1, max_size=12), min_size=1, max_size=3)


def perform(root: Path, step: Sequence[Operation]) -> None:
    """Do what can be done of a step."""
    for operation in step:
        try:
            operation(root)
        except OSError:
            continue


def build(root: Path, out: Path, script: Sequence[Sequence[Operation]]) -> list[PackedLayer]:
    """Perform steps in a tree, and pack a layer of each as a build does."""
    boundary = Boundary(root)
    before = take(boundary)
    layers = []
    for step in script:
        settle(before)
        perform(root, step)
        after = take(boundary)
        layers.append(pack(members_of_changes(compare(before, after, boundary), boundary), out))
        before = after
    return layers


def put_blob(layout: Path, data: bytes) -> dict[str, object]:
    digest = hashlib.sha256(data).hexdigest()
    (layout / "blobs/sha256" / digest).write_bytes(data)
    return {"digest": f"sha256:{digest}", "size": len(data)}


def put_image(layout: Path, layers: Sequence[PackedLayer]) -> None:
    """Write an OCI layout of an image that has these layers (image-spec, image-layout.md)."""
    (layout / "blobs/sha256").mkdir(parents=True)
    diff_ids = [str(packed.layer.diff_id) for packed in layers]
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    }
    kind = "application/vnd.oci.image"
    manifest = {
        "schemaVersion": 2,
        "config": {
            "mediaType": f"{kind}.config.v1+json",
            **put_blob(layout, json.dumps(config).encode()),
        },
        "layers": [
            {"mediaType": f"{kind}.layer.v1.tar+gzip", **put_blob(layout, packed.path.read_bytes())}
            for packed in layers
        ],
    }
    entry = {
        "mediaType": f"{kind}.manifest.v1+json",
        **put_blob(layout, json.dumps(manifest).encode()),
        "annotations": {"org.opencontainers.image.ref.name": "latest"},
    }
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    (layout / "oci-layout").write_text(json.dumps({"imageLayoutVersion": "1.0.0"}))


def essence(root: Path, untouched: set[str]) -> dict[str, Described]:
    """Describe a tree but for hard links, and for the times of directories that only their entries set."""
    return {
        path: described._replace(first_name="", mtime=0 if path in untouched else described.mtime)
        for path, described in describe(root, whole_seconds=True).items()
    }


def directories_set_by_entries(root: Path) -> set[str]:
    paths = [path for path in root.rglob("*") if path.is_dir() and not path.is_symlink()]
    return {
        str(path.relative_to(root)) for path in paths if path.stat().st_mtime_ns == path.stat().st_ctime_ns
    }


def links(root: Path) -> set[tuple[str, str]]:
    """Return the pairs of names that are one file."""
    return {(path, described.first_name) for path, described in describe(root).items()}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps)
def test_layers_applied_by_umoci_and_by_us_are_the_tree(script: list[list[Operation]]) -> None:
    with TemporaryDirectory(prefix="differential-") as name:
        work = Path(name)
        root, out, ours = work / "root", work / "out", work / "ours"
        for directory in (root, out, ours):
            directory.mkdir()
        layers = build(root, out, script)
        for packed in layers:
            with packed.path.open("rb") as blob:
                assert not apply(blob, packed.layer.diff_id, Boundary(ours))
        put_image(work / "layout", layers)
        command = ["umoci", "raw", "unpack", "--image", str(work / "layout"), str(work / "umoci")]
        subprocess.run(command, check=True, capture_output=True)
        untouched = directories_set_by_entries(root)
        assert essence(ours, untouched) == essence(root, untouched)
        assert essence(work / "umoci", untouched) == essence(root, untouched)
        # Names of one file in an image are names of one file in the tree it was made from. The other way it
        # is so within a layer.
        assert links(ours) <= pairs_of_names(root)
        if len(script) == 1:
            assert links(ours) == links(root)
            assert links(work / "umoci") == links(root)


def pairs_of_names(root: Path) -> set[tuple[str, str]]:
    first_names = {path: described.first_name for path, described in describe(root).items()}
    return {(a, b) for a in first_names for b in first_names if first_names[a] == first_names[b]}


def test_a_tree_of_this_system_comes_back_as_it_was(tmp_path: Path) -> None:
    source = Path("/usr/share/perl5")
    if not source.is_dir():
        pytest.skip("no such tree here")
    root, out, ours = tmp_path / "root", tmp_path / "out", tmp_path / "ours"
    for directory in (root, out, ours):
        directory.mkdir()
    shutil.copytree(source, root / "tree", symlinks=True)
    boundary = Boundary(root)
    nothing = Snapshot({"/": Directory(b"", take(Boundary(out)).directories["/"].numbers)}, 0)
    packed = pack(members_of_changes(compare(nothing, take(boundary), boundary), boundary), out)
    with packed.path.open("rb") as blob:
        assert not apply(blob, packed.layer.diff_id, Boundary(ours))
    assert describe(ours, whole_seconds=True) == describe(root, whole_seconds=True)
