"""Layers of random changes, applied by umoci and by our own unpack, are the tree that they were made from."""

import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
from array import array
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, example, given, settings

from support.applied import apply
from support.operations import Operation, perform
from support.scripts import HARD, START, scripts
from support.trees import describe, essence, features, first_names, folders_timed_by_entries, pairs_of_names
from yadokari_builder.layers.changes import compare
from yadokari_builder.layers.fingerprints import Fingerprints
from yadokari_builder.layers.members import members_of_changes
from yadokari_builder.layers.pack import PackedLayer, pack
from yadokari_builder.layers.snapshot import Directory, Snapshot, settle, take
from yadokari_builder.rootfs.boundary import Boundary

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="owners and devices need root"),
    pytest.mark.skipif(shutil.which("umoci") is None, reason="umoci is not installed"),
]


def build(root: Path, out: Path, script: Sequence[Sequence[Operation]]) -> list[PackedLayer]:
    """Perform steps in a tree, and pack a layer of each as a build does."""
    boundary = Boundary(root)
    before = take(boundary)
    known = Fingerprints()
    layers = []
    for step in script:
        settle(before)
        perform(root, step)
        after = take(boundary)
        layers.append(
            pack(
                members_of_changes(compare(before, after, boundary, known.find), boundary),
                out,
                fingerprints=known,
            )
        )
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
            {"mediaType": f"{kind}.layer.v1.tar+gzip", **put_blob(layout, packed.file.open().read())}
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


FEATURES = {"a whiteout", "a hard link", "an attribute", "an ACL", "a capability"}


@pytest.mark.long
def test_layers_applied_by_umoci_and_by_us_are_the_tree() -> None:
    seen: set[str] = set()

    @settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @example(HARD)
    @given(scripts)
    def check(script: list[list[Operation]]) -> None:
        with TemporaryDirectory(prefix="differential-") as name:
            seen.update(compared(Path(name), [START, *script]))

    check()
    assert seen == FEATURES


def compared(work: Path, script: Sequence[Sequence[Operation]]) -> set[str]:
    """Compare what a script makes with what comes of its layers; returns what these have of harder things."""
    root, out, ours = work / "root", work / "out", work / "ours"
    for directory in (root, out, ours):
        directory.mkdir()
    layers = build(root, out, script)
    names: set[str] = set()
    for packed in layers:
        with packed.file.open() as blob:
            assert not apply(blob, packed.layer.diff_id, Boundary(ours))
        with tarfile.open(fileobj=io.BytesIO(packed.file.open().read())) as archive:
            names.update(archive.getnames())
    put_image(work / "layout", layers)
    command = ["umoci", "raw", "unpack", "--image", str(work / "layout"), str(work / "umoci")]
    subprocess.run(command, check=True, capture_output=True)
    made, timed_by_entries = describe(root, whole_seconds=True), folders_timed_by_entries(root)
    for applied in (describe(ours, whole_seconds=True), describe(work / "umoci", whole_seconds=True)):
        assert essence(applied, timed_by_entries) == essence(made, timed_by_entries)
        # Names of one file in an image are names of one file in the tree it was made from. The other way it
        # is so within a layer.
        assert first_names(applied) <= pairs_of_names(made)
    return features(made, names)


def test_a_tree_of_this_system_comes_back_as_it_was(tmp_path: Path) -> None:
    source = Path("/usr/share/perl5")
    if not source.is_dir():
        pytest.skip("no such tree here")
    root, out, ours = tmp_path / "root", tmp_path / "out", tmp_path / "ours"
    for directory in (root, out, ours):
        directory.mkdir()
    shutil.copytree(source, root / "tree", symlinks=True)
    boundary = Boundary(root)
    nothing = Snapshot({"/": Directory(b"", array("Q"))}, 0)
    packed = pack(
        members_of_changes(compare(nothing, take(boundary), boundary, Fingerprints().find), boundary), out
    )
    with packed.file.open() as blob:
        assert not apply(blob, packed.layer.diff_id, Boundary(ours))
    assert describe(ours, whole_seconds=True) == describe(root, whole_seconds=True)
