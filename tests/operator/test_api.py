import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from support.resources import SPEC
from yadokari_api.fields import registry_host, seconds
from yadokari_api.spec import ImageBuildSpec, referenced_config_maps
from yadokari_api.status import Status, format_status, parse_status
from yadokari_operator.status import format_duration


def spec(**changes: Any) -> dict[str, Any]:
    return {key: value for key, value in (SPEC | changes).items() if value is not None}


def to(image: str) -> dict[str, Any]:
    return spec(destinations=[{"image": image}])


FROM_CONFIG_MAP = {"configMapKeyRef": {"name": "source"}}


@pytest.mark.parametrize(
    "accepted",
    [
        spec(),
        spec(dockerfile=None, dockerfileFrom=FROM_CONFIG_MAP),
        spec(executor={"resources": {"limits": {"memory": "2Gi", "cpu": 2}}}),
        spec(executor={"tolerations": [{"key": "builds", "operator": "Exists", "effect": "NoSchedule"}]}),
        spec(timeout="1h30m"),
        to("app"),
        to("team/app"),
        to("localhost:5000/app"),
        to("10.98.0.1:5000/team/app:1.2-rc_3"),
        to("[::1]:5000/app"),
        to("REGISTRY.example.com/a__b/c--d"),
    ],
)
def test_a_right_spec_is_accepted(accepted: dict[str, Any]) -> None:
    assert ImageBuildSpec.model_validate(accepted)


@pytest.mark.parametrize(
    ("refused", "why"),
    [
        (spec(dockerfile=None), "exactly one of dockerfile and dockerfileFrom"),
        (spec(dockerfileFrom=FROM_CONFIG_MAP), "exactly one of dockerfile and dockerfileFrom"),
        (spec(destinations=[]), "at least 1 item"),
        (spec(destinations=None), "Field required"),
        (spec(destination="app"), "Extra inputs are not permitted"),
        (spec(timeout="0s"), "between 1s and 24h"),
        (spec(timeout="25h"), "between 1s and 24h"),
        (spec(timeout="1 hour"), "pattern"),
        (spec(buildArgs={"A B": "x"}), "pattern"),
        (spec(buildArgs={"A": 1}), "valid string"),
        (to("App"), "pattern"),
        (to("app@sha256:" + "0" * 64), "pattern"),
        (to("https://example.com/app"), "pattern"),
        (to("app:"), "pattern"),
        (to("app\n"), "pattern"),
    ],
)
def test_a_wrong_spec_is_refused(refused: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(why)):
        ImageBuildSpec.model_validate(refused)


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


@pytest.mark.parametrize("data", [None, {}, {"phase": "Dreaming"}, {"attempt": "many"}])
def test_a_status_that_this_operator_did_not_write_counts_as_none(data: dict[str, Any] | None) -> None:
    assert parse_status(data) == Status()


def test_fields_of_a_newer_operator_are_left_out() -> None:
    assert parse_status({"attempt": 2, "weather": "fine"}) == Status(attempt=2)
