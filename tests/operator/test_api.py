import re
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from support.resources import DIGEST
from support.specs import FROM_CONFIG_MAP, RIGHT, WRONG, spec, to
from yadokari_api.fields import amount, registry_host, seconds
from yadokari_api.imagebuild import ImageBuild
from yadokari_api.spec import ImageBuildSpec, referenced_config_maps
from yadokari_api.status import LastSucceeded, RunStatus, Status, format_status, parse_status
from yadokari_operator.reports import format_duration


@pytest.mark.parametrize("accepted", RIGHT)
def test_a_right_spec_is_accepted(accepted: dict[str, Any]) -> None:
    assert ImageBuildSpec.model_validate(accepted)


@pytest.mark.parametrize(
    ("refused", "why"),
    [
        *WRONG,
        (spec(destinations=[]), "at least 1 item"),
        (spec(destinations=None), "Field required"),
        (spec(destination="app"), "Extra inputs are not permitted"),
        (spec(buildArgs={"A": 1}), "valid string"),
        (spec(historyLimit=-1), "greater than or equal to 0"),
        (spec(historyLimit=21), "less than or equal to 20"),
    ],
)
def test_a_wrong_spec_is_refused(refused: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(why)):
        ImageBuildSpec.model_validate(refused)


@pytest.mark.parametrize(
    "image", ["a" + "-a" * 250 + "_", "a" * 511 + "/", "a." * 255 + "!", "a/" * 255 + "A"]
)
def test_a_long_reference_is_refused_at_once(image: str) -> None:
    begin = time.process_time()
    with pytest.raises(ValidationError):
        ImageBuildSpec.model_validate(to(image))
    assert time.process_time() - begin < 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1", "1000m"),
        (2, "2"),
        ("1Ki", "1024"),
        ("1.5Gi", "1536Mi"),
        ("1e3", "1k"),
        ("1E", "1e18"),
        (".5", "500m"),
    ],
)
def test_the_same_amount_is_the_same_however_it_is_written(one: str | int, other: str | int) -> None:
    assert amount(one) == amount(other)


def test_config_maps_are_found_in_a_raw_spec() -> None:
    raw = {"dockerfileFrom": FROM_CONFIG_MAP, "context": {"configMap": {"name": "files"}}}
    assert referenced_config_maps(raw) == {"source", "files"}


@pytest.mark.parametrize("raw", [{}, {"dockerfileFrom": None}, {"context": {"configMap": "files"}}])
def test_a_raw_spec_may_be_wrong_when_config_maps_are_looked_for(raw: dict[str, Any]) -> None:
    assert referenced_config_maps(raw) == frozenset()


@pytest.mark.parametrize(
    ("reference", "host"),
    [
        ("app", "docker.io"),
        ("team/app:1", "docker.io"),
        ("localhost/app", "localhost"),
        ("localhost:5000/app", "localhost:5000"),
        ("example.com/app", "example.com"),
        ("Registry/app", "Registry"),
    ],
)
def test_the_registry_is_the_part_that_looks_like_a_host(reference: str, host: str) -> None:
    assert registry_host(reference) == host


@given(st.integers(0, 24 * 3600))
def test_a_duration_is_read_as_it_was_written(span: int) -> None:
    assert seconds(format_duration(span)) == span


def test_a_duration_is_written_for_people() -> None:
    assert [format_duration(span) for span in (0, 59, 83, 3600)] == ["0s", "59s", "1m23s", "1h0m0s"]


@given(st.builds(Status))
def test_a_status_is_read_as_it_was_written(status: Status) -> None:
    assert parse_status(format_status(status)) == status


def test_a_status_of_the_first_version_tells_the_last_success() -> None:
    status = {
        "phase": "Succeeded",
        "inputsHash": "ab" * 32,
        "digest": DIGEST,
        "completionTime": "2026-01-02T03:04:05Z",
    }
    metadata = {"namespace": "team", "name": "app", "uid": "u1"}
    found = ImageBuild.parse({"metadata": metadata, "status": status}).status
    assert found.last_succeeded == LastSucceeded(
        digest=DIGEST, time="2026-01-02T03:04:05Z", inputs_hash="ab" * 32
    )


def test_a_request_to_build_anew_is_bounded() -> None:
    annotations = {"yadokari.dev/rebuild-requested-at": "x" * 10**5}
    metadata = {"namespace": "team", "name": "app", "uid": "u1", "annotations": annotations}
    assert len(ImageBuild.parse({"metadata": metadata}).rebuild) == 256


@pytest.mark.parametrize(
    "data", [None, {}, {"phase": "Dreaming"}, {"run": {"attempt": "many"}}, {"attempt": "many"}]
)
def test_a_status_that_this_operator_did_not_write_counts_as_none(data: dict[str, Any] | None) -> None:
    assert parse_status(data) == Status()


def test_fields_of_a_newer_operator_are_left_out() -> None:
    assert parse_status({"run": {"attempt": 2, "mood": "good"}, "weather": "fine"}) == Status(
        run=RunStatus(attempt=2)
    )


@pytest.mark.parametrize(
    "time", ["soon", "2026-01-02T03:04:05", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z"]
)
@pytest.mark.parametrize("field", ["queuedAt", "finishedAt"])
def test_a_status_with_a_time_that_cannot_be_counts_as_none(field: str, time: str) -> None:
    assert parse_status({"phase": "Succeeded", "run": {field: time}}) == Status()
