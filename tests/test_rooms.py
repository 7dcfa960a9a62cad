from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = [path.parent for side in ("builder", "operator") for path in (ROOT / side).rglob("__init__.py")]
MOST = 2_000
LARGE = {"dockerfile", "layers"}
"""What BuildKit's own parser and a tar format need."""


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: str(room.relative_to(ROOT)))
def test_a_room_is_small_enough_to_be_known_by_heart(room: Path) -> None:
    lines = sum(len(module.read_text().splitlines()) for module in room.glob("*.py"))
    assert lines <= MOST or room.name in LARGE, (
        "split it by what it is about: a room of its own has its lines"
    )


def test_no_folder_of_tests_is_left_out(request: pytest.FixtureRequest) -> None:
    left_out = request.config.getini("norecursedirs")
    folders = {parent for path in (ROOT / "tests").rglob("test_*.py") for parent in path.parents}
    names = {folder.name for folder in folders if folder.is_relative_to(ROOT / "tests")}
    assert {name for name in names for pattern in left_out if fnmatch(name, pattern)} == set()
