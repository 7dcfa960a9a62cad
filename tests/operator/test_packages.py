from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("folder", ["operator", "tests/operator"])
def test_the_standard_librarys_operator_is_not_hidden(folder: str) -> None:
    assert not (ROOT / folder / "__init__.py").exists()
