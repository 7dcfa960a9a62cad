import pytest
from hypothesis import given
from hypothesis import strategies as st

from yadokari_contract.telemetry.otlp import (
    ENDPOINT,
    Export,
    ExportError,
    read_export,
    with_resource,
    without_effect,
)

HERE = {ENDPOINT: "http://collector:4318"}


def export(**environment: str) -> Export:
    found = read_export(HERE | environment, "yadokari")
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("name", "value", "url"),
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://a.test/otlp/", "https://a.test/otlp/v1/traces"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://b.test", "https://b.test/"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://b.test/own?a=b", "https://b.test/own?a=b"),
        ("KANIKO_TELEMETRY_ENDPOINT", "http://[::1]:4318/", "http://[::1]:4318/v1/traces"),
        ("KANIKO_TELEMETRY_ENDPOINT", "http://c.test/own", "http://c.test/own"),
    ],
)
def test_an_endpoint_is_a_base_or_the_place_itself(name: str, value: str, url: str) -> None:
    assert export(**{name: value}).url == url


@pytest.mark.parametrize(
    "environment",
    [
        {ENDPOINT: ""},
        HERE | {"OTEL_SDK_DISABLED": "TRUE"},
        HERE | {"OTEL_TRACES_EXPORTER": "none"},
        {"OTEL_SERVICE_NAME": "a"},
    ],
)
def test_nothing_is_sent_that_nobody_wants(environment: dict[str, str]) -> None:
    assert read_export(environment, "yadokari") is None


def test_what_is_said_of_traces_counts_before_what_is_said_of_all() -> None:
    found = export(
        OTEL_EXPORTER_OTLP_HEADERS="a=b",
        OTEL_EXPORTER_OTLP_TRACES_HEADERS="authorization=Bearer%20abc, x-team = 1",
        OTEL_EXPORTER_OTLP_TIMEOUT="100",
        OTEL_EXPORTER_OTLP_TRACES_TIMEOUT="2500",
        OTEL_EXPORTER_OTLP_PROTOCOL="grpc",
        OTEL_EXPORTER_OTLP_TRACES_PROTOCOL="http/json",
    )
    assert found.headers == {"authorization": "Bearer abc", "x-team": "1"}
    assert found.timeout == 2.5
    assert "abc" not in repr(found)


def test_a_build_s_end_never_waits_for_long() -> None:
    assert export(OTEL_EXPORTER_OTLP_TIMEOUT="99999999").timeout == 10
    assert export().timeout == 5


def test_a_service_is_called_as_it_is_named() -> None:
    assert export().resource == {"service.name": "yadokari"}
    said = {"OTEL_RESOURCE_ATTRIBUTES": "service.name=one,team=a%2Cb"}
    assert export(**said).resource == {"service.name": "one", "team": "a,b"}
    assert export(**said, OTEL_SERVICE_NAME="two").resource["service.name"] == "two"


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        (ENDPOINT, "collector:4318", "no URL"),
        (ENDPOINT, "http://user:secret@collector", "no URL"),
        (ENDPOINT, "http://a\nb", "no URL"),
        (ENDPOINT, "http://collector:43180000", "no URL"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "http/json alone"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf", "http/json alone"),
        ("OTEL_TRACES_EXPORTER", "zipkin", "otlp or none"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "secret", "NAME=VALUE"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a=secret%0D%0Ab:c", "NAME=VALUE"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a b=secret", "NAME=VALUE"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "5s", "milliseconds"),
        ("OTEL_RESOURCE_ATTRIBUTES", "=a", "NAME=VALUE"),
    ],
)
def test_what_cannot_be_is_named_without_secrets(name: str, value: str, why: str) -> None:
    with pytest.raises(ExportError, match=why) as caught:
        export(**{name: value})
    assert name in str(caught.value)
    assert "secret" not in str(caught.value)


def test_what_changes_nothing_is_said() -> None:
    said = {
        "KANIKO_TELEMETRY_BUILD_ID": "1",
        "OTEL_EXPORTER_OTLP_ENDPIONT": "http://typo",
        "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE": "/ca.pem",
        "OTEL_SDK_DISABLED": "1",
        "OTEL_TRACES_SAMPLER": "always_off",
        "OTEL_TRACES_SAMPLER_ARG": "0.1",
    }
    remarks = list(without_effect(HERE | said))
    assert [remark.partition(" ")[0] for remark in remarks] == list(said)
    kept = {
        "OTEL_SDK_DISABLED": "false",
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_SERVICE_NAME": "a",
        "PATH": "/",
    }
    assert export(**kept)
    assert list(without_effect(HERE | kept)) == []


@given(st.dictionaries(st.text("abc.", min_size=1, max_size=9), st.text(min_size=1, max_size=9), max_size=5))
def test_what_is_said_of_a_resource_is_read_again(more: dict[str, str]) -> None:
    said = with_resource("team=mine", more | {"team": "theirs"})
    assert export(OTEL_RESOURCE_ATTRIBUTES=said).resource == {
        "service.name": "yadokari",
        **more,
        "team": "mine",
    }
