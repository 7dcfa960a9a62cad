import pytest
from hypothesis import given
from hypothesis import strategies as st

from yadokari_builder.errors import ImageInvalidError
from yadokari_builder.oci.timestamp import canonical_time, format_time, parse_time


@given(st.integers(-60_000_000_000 * 10**9, 250_000_000_000 * 10**9))
def test_a_time_is_read_as_it_was_written(nanoseconds: int) -> None:
    text = format_time(nanoseconds)
    assert parse_time(text) == nanoseconds
    assert canonical_time(text) == text


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("2024-05-01T12:00:00.120000000Z", "2024-05-01T12:00:00.12Z"),
        ("2024-05-01T12:00:00.000000000Z", "2024-05-01T12:00:00Z"),
        ("2024-05-01T12:00:00.1234567891Z", "2024-05-01T12:00:00.123456789Z"),
        ("2024-05-01T12:00:00+00:00", "2024-05-01T12:00:00Z"),
        ("2024-05-01T12:00:00.5-07:30", "2024-05-01T12:00:00.5-07:30"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
    ],
)
def test_times_are_brought_into_the_form_of_go(text: str, canonical: str) -> None:
    assert canonical_time(text) == canonical


def test_offsets_count() -> None:
    assert parse_time("1970-01-01T01:00:00.000000001+01:00") == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2024-05-01",
        "2024-13-01T12:00:00Z",
        "2024-05-01T12:00:00",
        "2024-05-01T24:00:00Z",
        "2024-05-01T12:00:00+99:00",
        "0000-01-01T00:00:00Z",
        "2024-05-01T12:00:00Z\n",
        f"2024-13-01T12:00:00.{'1' * 10_000}Z",
        "٢٠٢٤-05-01T12:00:00Z",
    ],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ImageInvalidError, match="time") as refused:
        canonical_time(text)
    assert len(str(refused.value)) < 200
