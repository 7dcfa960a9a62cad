"""Images of random steps, applied by umoci and by our own unpack, are what the steps left in the root."""

import ast
import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, example, given, settings

from support import folders, operations, trees
from support.applied import apply
from support.layout import Layout
from support.operations import Operation
from support.pod import Bind, run_pod, why_no_containers
from support.scripts import HARD, START, scripts
from support.trees import Described, describe, essence, features, first_names, pairs_of_names
from yadokari_builder.oci.digest import Digest
from yadokari_builder.rootfs.boundary import Boundary

pytestmark = [
    pytest.mark.pod,
    pytest.mark.skipif(bool(why_no_containers()), reason=why_no_containers() or ""),
    pytest.mark.skipif(shutil.which("umoci") is None, reason="umoci is not installed"),
]

PYTHON = ["/yadokari/bin/python3", "-SBXutf8"]
# Written beside the tree, into a layer of its own.
TELL = """\
import sys
sys.path.insert(0, "/programs")
from pathlib import Path
from support.trees import describe, folders_timed_by_entries
root = Path("/tree")
tree = {path: tuple(described) for path, described in describe(root, whole_seconds=True).items()}
Path("/told").write_text(repr((tree, folders_timed_by_entries(root))))
"""


def build(folder: Path, script: Sequence[Sequence[Operation]]) -> tuple[dict[str, Described], set[str]]:
    """Build an image whose steps are a script's; returns what they left in /tree, as a last step told it."""
    context, out = folder / "context", folder / "out"
    (context / "support").mkdir(parents=True)
    for module in (folders, operations, trees):
        shutil.copy(str(module.__file__), context / "support")
    steps = [[*PYTHON, "/programs/support/operations.py", "/tree", json.dumps(step)] for step in script]
    lines = ["FROM scratch", "COPY support /programs/support", "WORKDIR /tree"]
    lines += [f"RUN {json.dumps(step)}" for step in [*steps, [*PYTHON, "-c", TELL]]]
    (context / "Dockerfile").write_text("\n".join(lines))
    result = run_pod(
        [f"--context=dir://{context}", "--no-push", f"--oci-layout-path={out / 'image'}"],
        binds=[Bind(str(context)), Bind(str(out), writable=True)],
    )
    assert result.exit_code == 0, result.output
    told = applied_by_us(Layout(out / "image"), folder / "told") / "told"
    tree, timed_by_entries = ast.literal_eval(told.read_text())
    return {path: Described(*described) for path, described in tree.items()}, timed_by_entries


def applied_by_us(image: Layout, root: Path) -> Path:
    root.mkdir()
    for digest, diff_id in zip(image.layer_digests, image.config["rootfs"]["diff_ids"], strict=True):
        with (image.folder / "blobs/sha256" / digest.removeprefix("sha256:")).open("rb") as blob:
            assert not apply(blob, Digest.parse(diff_id), Boundary(root))
    return root


def applied_by_umoci(image: Layout, root: Path) -> Path:
    image.name("latest")
    subprocess.run(
        ["umoci", "raw", "unpack", "--image", str(image.folder), str(root)], check=True, capture_output=True
    )
    return root


def test_an_image_is_what_its_steps_have_left_in_the_root() -> None:
    seen: set[str] = set()

    @settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @example(HARD)
    @given(scripts)
    def check(script: list[list[Operation]]) -> None:
        with TemporaryDirectory(prefix="random-") as name:
            seen.update(compared(Path(name), [START, *script]))

    check()
    assert {"a whiteout", "a hard link", "an attribute", "an ACL"} <= seen


def compared(work: Path, script: Sequence[Sequence[Operation]]) -> set[str]:
    """Compare what a script leaves in a pod with its image; returns what of harder things that has."""
    made, timed_by_entries = build(work, script)
    image = Layout(work / "out" / "image")
    for root in (applied_by_us(image, work / "ours"), applied_by_umoci(image, work / "umoci")):
        applied = describe(root / "tree", whole_seconds=True)
        assert essence(applied, timed_by_entries) == essence(made, timed_by_entries)
        assert first_names(applied) <= pairs_of_names(made)
    return features(made, image.names_in_layers())
