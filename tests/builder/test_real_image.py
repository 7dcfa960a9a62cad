"""A Debian image, unpacked and packed."""

import shutil
import stat
import subprocess
from array import array
from pathlib import Path

import pytest

from support.applied import apply
from support.layout import Layout
from support.pod import Bind, run_pod, why_no_containers
from support.trees import describe
from yadokari_builder.layers.changes import compare
from yadokari_builder.layers.fingerprints import Fingerprints
from yadokari_builder.layers.members import members_of_changes
from yadokari_builder.layers.pack import pack
from yadokari_builder.layers.snapshot import Directory, Snapshot, take
from yadokari_builder.oci.digest import Digest
from yadokari_builder.rootfs.boundary import Boundary

pytestmark = [
    pytest.mark.pod,
    pytest.mark.skipif(bool(why_no_containers()), reason=why_no_containers() or ""),
    pytest.mark.skipif(shutil.which("umoci") is None, reason="umoci is not installed"),
]


def test_an_image_is_unpacked_as_umoci_does_it_and_comes_back_from_a_layer_of_ours(tmp_path: Path) -> None:
    ours, out, again = (tmp_path / name for name in ("ours", "out", "again"))
    for folder in (ours, out, again):
        folder.mkdir()
    (tmp_path / "Dockerfile").write_text("FROM debian:bookworm\n")
    result = run_pod(
        [f"--context=dir://{tmp_path}", "--no-push", f"--oci-layout-path={out / 'image'}"],
        binds=[Bind(str(tmp_path)), Bind(str(out), writable=True)],
    )
    assert result.exit_code == 0, result.output
    image = Layout(out / "image")
    for digest, diff_id in zip(image.layer_digests, image.config["rootfs"]["diff_ids"], strict=True):
        with (image.folder / "blobs/sha256" / digest.removeprefix("sha256:")).open("rb") as blob:
            assert not apply(blob, Digest.parse(diff_id), Boundary(ours))
    image.name("latest")
    command = ["umoci", "raw", "unpack", "--image", str(image.folder), str(tmp_path / "umoci")]
    subprocess.run(command, check=True, capture_output=True)
    made = describe(ours)
    assert made == describe(tmp_path / "umoci")
    modes = [int(described.mode, 8) for described in made.values()]
    assert len(made) > 5000
    assert any(mode & stat.S_ISUID for mode in modes)
    assert len({described.owner for described in made.values()}) > 2

    root = Boundary(ours)
    nothing = Snapshot({"/": Directory(b"", array("Q"))}, 0)
    everything = compare(nothing, take(root), root, Fingerprints().find)
    packed = pack(members_of_changes(everything, root), out)
    with packed.file.open() as blob:
        assert not apply(blob, packed.layer.diff_id, Boundary(again))
    assert describe(again, whole_seconds=True) == describe(ours, whole_seconds=True)
