"""What `index` and `resolve` answer."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from yadokari_contract.results.answers import (
    IndexedImage,
    IndexResult,
    Resolution,
    ResolveResult,
    format_index_result,
    format_resolve_result,
    parse_index_result,
    parse_resolve_result,
)
from yadokari_contract.results.bounded import MAX_BYTES
from yadokari_contract.results.build import Failure, ResultError, parse_result

texts = st.text(st.characters(exclude_categories=["Cs"]))
failures = st.none() | st.builds(Failure, texts, texts)
index_results = st.builds(
    IndexResult,
    digest=texts,
    size=st.integers(0, 2**50),
    images=st.lists(texts, max_size=5).map(tuple),
    manifests=st.lists(st.builds(IndexedImage, texts, texts, st.integers(0, 2**50)), max_size=5).map(tuple),
    failure=failures,
)
resolutions = st.builds(Resolution, texts, texts) | st.builds(
    Resolution, texts, failure=st.builds(Failure, texts, texts)
)
resolve_results = st.builds(
    ResolveResult,
    items=st.lists(resolutions, max_size=5).map(tuple),
    omitted=st.integers(0, 9),
    failure=failures,
)


@given(index_results)
def test_the_result_of_an_index_is_read_back_as_it_was(result: IndexResult) -> None:
    text = format_index_result(result)
    assert len(text.encode()) <= MAX_BYTES
    if "…" not in text and len(json.dumps(text)) < MAX_BYTES - 200:
        assert parse_index_result(text) == result


@given(index_results)
def test_the_result_of_an_index_is_that_of_a_build_where_they_have_the_same_fields(
    result: IndexResult,
) -> None:
    text = format_index_result(result)
    index, build = parse_index_result(text), parse_result(text)
    assert (build.digest, build.size, build.images) == (index.digest, index.size, index.images)
    assert build.failure == index.failure


@given(resolve_results)
def test_what_was_resolved_is_read_back_as_it_was(result: ResolveResult) -> None:
    assert parse_resolve_result(format_resolve_result(result, bounded=False)) == result


@settings(deadline=None)
@given(st.integers(0, 200), st.integers(0, 2000))
def test_what_was_resolved_fits_the_termination_message(number: int, length: int) -> None:
    items = tuple(
        Resolution(f"r.example/team/app:{i}", "" if i % 2 else f"sha256:{i:064}", failure)
        for i in range(number)
        for failure in [Failure("BaseImageNotFound", "x" * length) if i % 2 else None]
    )
    text = format_resolve_result(ResolveResult(items=items))
    read = parse_resolve_result(text)
    assert len(text.encode()) <= MAX_BYTES
    assert len(read.items) + read.omitted == number
    assert [item.name for item in read.items] == [item.name for item in items[: len(read.items)]]
    assert [item.resolved for item in read.items] == [item.resolved for item in items[: len(read.items)]]
    assert len(read.items) >= min(number, 20)


@pytest.mark.parametrize(
    "text", ["", "[]", "1", '{"items": [{}]}', '{"items": 1}', '{"failure": 1}', '{"failure": {}}']
)
def test_what_is_no_result_is_refused(text: str) -> None:
    with pytest.raises(ResultError):
        parse_resolve_result(text)


@pytest.mark.parametrize("text", ["", "[]", '{"manifests": [1]}', '{"size": "1"}', '{"failure": 1}'])
def test_what_is_no_result_of_an_index_is_refused(text: str) -> None:
    with pytest.raises(ResultError):
        parse_index_result(text)
