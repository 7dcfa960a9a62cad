import pytest

from yadokari_contract.sizes import human_size


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (51_200_000, "51.2 MB"), (4e12, "4.0 TB")],
)
def test_sizes_are_written_for_people(size: int, text: str) -> None:
    assert human_size(size) == text
