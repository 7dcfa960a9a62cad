"""The trace of a build, as a server gets it that knows OpenTelemetry's messages."""

import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from support.collector import Collector, running_collector
from support.executor import Ended, Executor

DOCKERFILE = "FROM scratch AS one\nCOPY Dockerfile /a\n\nFROM scratch\nLABEL a=b\nCOPY --from=one /a /b\n"
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TOKEN = "Bearer%20s3cr3t"


@pytest.fixture
def collector() -> Iterator[Collector]:
    with running_collector() as running:
        yield running


def build(
    executor: Executor, collector: Collector, dockerfile: str = DOCKERFILE, **environment: str
) -> Ended:
    whole: dict[str, Any] = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, **environment}
    return executor(
        dockerfile,
        "--no-push",
        "--result-file=result",
        "--cache",
        "--cache-copy-layers",
        f"--cache-repo=oci:{executor.folder / 'cache'}",
        **whole,
    )


@pytest.mark.long
def test_a_build_is_one_trace_with_every_step_in_it(executor: Executor, collector: Collector) -> None:
    whose = {"TRACEPARENT": f"00-{TRACE}-{PARENT}-01", "OTEL_RESOURCE_ATTRIBUTES": "team=a"}
    done = build(executor, collector, **whose)
    assert done.code == 0, done.log
    assert collector.paths == ["/v1/traces"]
    assert {span.trace for span in collector.spans} == {TRACE}
    assert len({span.id for span in collector.spans}) == len(collector.spans)
    (root,) = collector.named("build")
    assert (root.parent, root.error) == (PARENT, None)
    assert root.resource == {"service.name": "yadokari-executor", "team": "a"}
    written = json.loads((executor.folder / "result").read_text())
    assert root.attributes["yadokari.image.digest"] == written["digest"]
    stages = collector.named("Stage")
    assert [span.attributes["kaniko.stage.name"] for span in stages] == ["one", ""]
    assert {span.parent for span in [*stages, *collector.named("plan")]} == {root.id}
    steps = collector.named("Command")
    assert [span.attributes["kaniko.command"] for span in steps] == DOCKERFILE.replace(
        "\n\n", "\n"
    ).splitlines()
    assert [span.attributes["kaniko.instruction.line"] for span in steps] == [1, 2, 4, 5, 6]
    assert [span.parent for span in steps] == [stages[it.attributes["kaniko.stage"]].id for it in steps]
    assert all(root.start <= span.start <= span.end <= root.end for span in collector.spans)
    copied = steps[1].attributes
    assert (copied["kaniko.cache.hit"], len(copied["kaniko.cache.key"])) == (False, 64)
    assert copied["yadokari.layer.size"] > 0
    assert "kaniko.cache.key" not in steps[3].attributes

    collector.spans.clear()
    assert build(executor, collector).code == 0
    again = collector.named("Command")[1].attributes
    assert again == copied | {"kaniko.cache.hit": True}
    (root,) = collector.named("build")
    assert (root.parent, root.trace == TRACE) == ("", False)


def test_a_build_that_fails_is_a_trace_that_says_why(executor: Executor, collector: Collector) -> None:
    done = build(executor, collector, "FROM scratch\nCOPY nothing /\n")
    assert done.code == 14
    (root,), steps = collector.named("build"), collector.named("Command")
    assert root.attributes["error.type"] == "ContextFailed"
    assert root.error is not None
    assert "nothing" in root.error
    assert [span.error for span in steps] == [None, root.error]


def test_headers_go_to_the_endpoint_and_nowhere_else(executor: Executor, collector: Collector) -> None:
    done = build(executor, collector, OTEL_EXPORTER_OTLP_HEADERS=f"authorization={TOKEN}")
    assert done.code == 0
    assert collector.headers[0]["authorization"] == "Bearer s3cr3t"
    assert collector.headers[0]["content-type"] == "application/json"
    assert "s3cr3t" not in done.log + (executor.folder / "result").read_text()
    assert "gets credentials over plain HTTP" in done.log


@pytest.mark.parametrize(
    ("environment", "why"),
    [
        (
            {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            "warning: no trace is sent: OTEL_EXPORTER_OTLP_PROTOCOL is",
        ),
        (
            {"KANIKO_TELEMETRY_ENDPOINT": "collector:4318"},
            "warning: no trace is sent: KANIKO_TELEMETRY_ENDPOINT",
        ),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://nowhere.invalid"}, "nowhere.invalid cannot be found"),
        ({"TRACEPARENT": f"00-{TRACE}-{PARENT}-00"}, ""),
        ({"OTEL_SDK_DISABLED": "true"}, ""),
    ],
)
def test_no_trace_is_sent_where_it_cannot_or_is_not_wanted(
    executor: Executor, collector: Collector, environment: dict[str, str], why: str
) -> None:
    done = build(executor, collector, **environment)
    assert done.code == 0
    assert collector.paths == []
    assert why in done.log
    assert ("warning" in done.log) == bool(why)


def test_a_collector_that_refuses_changes_nothing(executor: Executor, collector: Collector) -> None:
    collector.answer = 503
    done = build(executor, collector)
    assert done.code == 0
    assert f"warning: the trace is lost: {collector.url} answers 503" in done.log
    assert len(collector.paths) == 1


def test_a_collector_that_never_answers_holds_nothing_up(executor: Executor, collector: Collector) -> None:
    collector.holding = threading.Event()
    started = time.monotonic()
    done = build(executor, collector, OTEL_EXPORTER_OTLP_TIMEOUT="300")
    assert done.code == 0
    assert (executor.folder / "result").exists()
    assert "warning: the trace is lost" in done.log
    assert time.monotonic() - started < 200


def test_without_an_endpoint_nothing_of_traces_is_loaded(executor: Executor, collector: Collector) -> None:
    assert executor("FROM scratch\n", "--no-push", OTEL_SERVICE_NAME="a").state["has_traces"] is False
    assert build(executor, collector).state["has_traces"] is True
