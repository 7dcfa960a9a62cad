"""How large the objects of a pack are, by packs that git makes."""

import io
import random
import subprocess
from pathlib import Path

import pytest

from support.git import WHY_NO_GIT, git, make_repository
from yadokari_builder.errors import ContextError
from yadokari_builder.sources.pack import require_small_objects

pytestmark = pytest.mark.skipif(bool(WHY_NO_GIT), reason=WHY_NO_GIT)

SIZE = 3_000_000


@pytest.fixture(params=["base by offset", "base by name"])
def pack(request: pytest.FixtureRequest, tmp_path: Path) -> bytes:
    """A pack with a file of `SIZE` bytes, and another one as a small delta of it, one byte longer."""
    content = random.Random(1).randbytes(SIZE)
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "one").write_bytes(content)
    (folder / "two").write_bytes(content[:1000] + b"!" + content[1000:])
    (folder / "small").write_bytes(b"small")
    make_repository(folder)
    objects = git(folder, "rev-list", "--objects", "--all", "--no-object-names").encode()
    option = ["--delta-base-offset"] if request.param == "base by offset" else []
    command = ["git", "pack-objects", "--stdout", "-q", *option]
    return subprocess.run(command, cwd=folder, input=objects, capture_output=True, check=True).stdout


def test_objects_up_to_the_limit_pass(pack: bytes) -> None:
    assert len(pack) < SIZE * 1.5  # one of them is a delta
    require_small_objects(io.BytesIO(pack), SIZE + 1, "project.git")


@pytest.mark.parametrize("limit", [SIZE, SIZE - 1, 1000])
def test_what_is_larger_is_refused_whole_or_as_a_delta(pack: bytes, limit: int) -> None:
    with pytest.raises(ContextError, match="it has a file of 2 MiB"):
        require_small_objects(io.BytesIO(pack), limit, "project.git")


@pytest.mark.parametrize("length", [0, 5, 13, 40, 1_000_000])
def test_a_pack_that_is_cut_off_is_broken(pack: bytes, length: int) -> None:
    with pytest.raises(ContextError, match="what the server sent is broken"):
        require_small_objects(io.BytesIO(pack[:length]), SIZE + 1, "project.git")


def test_what_does_not_decompress_is_broken(pack: bytes) -> None:
    with pytest.raises(ContextError, match="what the server sent is broken"):
        require_small_objects(io.BytesIO(pack[:100] + bytes(1000) + pack[1100:]), SIZE + 1, "project.git")
