"""Traces: what is told of a run when it has ended, and what its executor is given to add to it."""

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from support import resources
from support.apiserver import ApiServer, serve
from support.collector import Collector, running_collector
from support.executor import Executor
from support.lives import KEY, begun, failed
from support.operator_process import wait_until
from support.proxy import running_proxy
from support.resources import DIGEST, NOW, SPEC, image_build
from yadokari_api.spec import ImageBuildSpec
from yadokari_api.status import Status
from yadokari_contract.proxies import Proxies, read_proxies
from yadokari_contract.telemetry.otlp import read_export
from yadokari_contract.telemetry.trace import Span, TraceContext
from yadokari_operator.cluster.api import Api
from yadokari_operator.cluster.resources import Cluster
from yadokari_operator.handlers.controller import Controller
from yadokari_operator.handlers.memory import Memory
from yadokari_operator.handlers.operator import trace_sender
from yadokari_operator.handlers.policies import Policies
from yadokari_operator.handlers.telling import Telling
from yadokari_operator.metrics import Metrics
from yadokari_operator.pods.inputs.gathered import Inputs, gather
from yadokari_operator.pods.render import Attempt, pod
from yadokari_operator.progress.following import Following
from yadokari_operator.reports import Reconciled
from yadokari_operator.settings import Settings
from yadokari_operator.traces.run import ended
from yadokari_operator.traces.sender import TraceSender

RUN = "0123456789"
WORKS = """
import os, sys
from support.resources import SPEC, image_build
import yadokari_operator.command
from yadokari_api.spec import ImageBuildSpec
from yadokari_operator.handlers.operator import trace_sender
from yadokari_operator.pods.inputs.gathered import gather
from yadokari_operator.pods.render import Attempt, pod
from yadokari_operator.settings import Settings

settings = Settings.from_environment(os.environ)
trace_sender(settings)
inputs = gather(ImageBuildSpec.model_validate(SPEC), {})
pod(image_build(SPEC), inputs, settings, Attempt(run="0123456789", number=1, retries=0))
print(*(name for name in sys.modules if "telemetry" in name or "operator.traces" in name))
"""
"""An operator that begins, and makes a pod; prints what of traces it has loaded."""
COLLECTOR = "http://collector:4318"
LATER = NOW + timedelta(seconds=1)


@pytest.fixture
def collector() -> Iterator[Collector]:
    with running_collector() as running:
        yield running


def sending(url: str, proxies: Proxies) -> TraceSender:
    export = read_export(
        {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_EXPORTER_OTLP_HEADERS": "authorization=s3cr3t"},
        "yadokari-operator",
    )
    assert export is not None
    sender = TraceSender(export, proxies, delays=(0.01, 0.01))
    threading.Thread(target=sender.run, daemon=True).start()
    return sender


def settings(**variables: str) -> Settings:
    return Settings.from_environment({"OTEL_EXPORTER_OTLP_ENDPOINT": COLLECTOR, **variables})


def given(settings: Settings, executor: dict[str, Any] | None = None, uid: str = "u1") -> dict[str, str]:
    """What a pod's executor gets of it all."""
    spec = SPEC | ({"executor": executor} if executor else {})
    inputs = gather(ImageBuildSpec.model_validate(spec), {})
    assert isinstance(inputs, Inputs)
    manifest = pod(image_build(spec, uid=uid), inputs, settings, Attempt(run=RUN, number=1, retries=0))
    found = manifest["spec"]["containers"][0]["env"]
    assert len({it["name"] for it in found}) == len(found)
    return {it["name"]: it.get("value", "") for it in found}


def test_executors_are_given_nothing_where_nobody_wants_traces() -> None:
    assert given(Settings()) == {}
    assert given(settings(OTEL_SDK_DISABLED="true")) == {}
    assert given(settings(OTEL_EXPORTER_OTLP_PROTOCOL="grpc")) == {}


@pytest.mark.long
@pytest.mark.parametrize("endpoint", ["", COLLECTOR])
def test_nothing_of_traces_is_loaded_where_nobody_wants_them(endpoint: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WORKS],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(sys.path),
            "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
            "OTEL_SERVICE_NAME": "yadokari",
        },
        stdout=subprocess.PIPE,
        check=True,
    )
    assert bool(done.stdout.split()) == bool(endpoint), done.stdout


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_a_protocol_that_is_not_spoken_is_told_of_when_the_operator_starts(
    protocol: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert trace_sender(settings(OTEL_EXPORTER_OTLP_PROTOCOL=protocol)) is None
    (said,) = caplog.messages
    assert said.startswith(f"no traces are sent: OTEL_EXPORTER_OTLP_PROTOCOL is {protocol!r}")


def test_executors_are_told_where_traces_go_and_never_by_which_headers() -> None:
    said = settings(
        OTEL_EXPORTER_OTLP_HEADERS="authorization=s3cr3t",
        OTEL_EXPORTER_OTLP_TIMEOUT="1000",
        OTEL_SERVICE_NAME="operator",
        OTEL_RESOURCE_ATTRIBUTES="team=a",
    )
    found = given(said)
    assert found.keys() == {
        *("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TIMEOUT"),
        *("OTEL_RESOURCE_ATTRIBUTES", "TRACEPARENT"),
    }
    assert found["OTEL_EXPORTER_OTLP_ENDPOINT"] == COLLECTOR
    export = read_export(found, "executor")
    assert export is not None
    assert export.resource == {
        "service.name": "executor",
        "team": "a",
        "k8s.namespace.name": "team",
        "yadokari.imagebuild.name": "app",
    }
    assert "s3cr3t" not in repr(said)


def test_executors_may_have_an_endpoint_of_their_own() -> None:
    own = {"YADOKARI_EXECUTOR_OTLP_ENDPOINT": "http://agent:4318"}
    elsewhere = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://traces.example.com/in"}
    found = given(settings(**own, **elsewhere))
    assert found["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://agent:4318"
    assert "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT" not in found


def test_what_a_spec_says_itself_counts() -> None:
    own = {"env": [{"name": "OTEL_EXPORTER_OTLP_ENDPOINT", "value": "http://mine:4318"}]}
    assert given(settings(), own)["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://mine:4318"


def test_each_run_has_a_trace_of_its_own() -> None:
    one, other = (TraceContext.parse(given(settings(), uid=uid)["TRACEPARENT"]) for uid in ("u1", "u2"))
    assert one is not None
    assert other is not None
    assert one.sampled
    assert one.trace != other.trace
    assert given(settings())["TRACEPARENT"] == str(one)


def told(before: Status, now: Status) -> list[Span]:
    return list(ended(image_build(status=before), (), Reconciled(now, NOW, LATER)))


def with_pod(status: Status) -> Status:
    return replace(status, run=replace(status.run, pod=f"app-{RUN}-1", attempt=1))


def test_a_run_is_told_once_when_it_has_ended() -> None:
    over = with_pod(failed("StepFailed"))
    spans = told(with_pod(begun()), over)
    assert [span.name for span in spans] == ["ImageBuild", "queued", "reconcile"]
    assert (spans[0].error, spans[0].attributes["error.type"]) == ("it failed", "StepFailed")
    assert (spans[0].start, spans[0].end) == ((NOW - timedelta(seconds=40)).timestamp(), LATER.timestamp())
    assert told(over, over) == []
    assert told(Status(), with_pod(begun())) == []


def test_a_run_that_ended_without_a_pod_is_none() -> None:
    assert told(begun(), failed("InvalidSpec")) == []


def test_a_run_that_is_replaced_is_told_as_far_as_it_came() -> None:
    before = with_pod(begun())
    after = replace(begun(), run=replace(begun().run, number=before.run.number + 1))
    (root, *_) = told(before, after)
    assert root.attributes["error.type"] == "Replaced"
    assert root.attributes["yadokari.run.number"] == before.run.number


def controller_with(api: Api, sender: TraceSender, url: str) -> Controller:
    cluster = Cluster(api)
    said = settings(OTEL_EXPORTER_OTLP_ENDPOINT=url)
    memory = Memory(Policies(cluster, said), Following(cluster, lambda _, __: None))
    telling = Telling(Metrics(), traces=sender)
    return Controller(cluster, said, lambda: NOW, memory, telling, lambda _: None)


@pytest.mark.long
@pytest.mark.skipif(os.geteuid() != 0, reason="a build is root's")
def test_operator_and_executor_tell_one_trace(collector: Collector, tmp_path: Path) -> None:
    server = ApiServer()
    server.put("imagebuilds", "app", spec=resources.SPEC)
    over = resources.built()
    over["containerStatuses"][0]["state"]["terminated"]["startedAt"] = resources.time(20)
    with serve(server) as api:
        controller = controller_with(api, sending(collector.url, Proxies()), collector.url)
        controller.reconcile(KEY)
        (name,) = server.names("pods")
        made = server.get("pods", name)
        env: dict[str, Any] = {it["name"]: it["value"] for it in made["spec"]["containers"][0]["env"]}
        assert Executor(tmp_path)("FROM scratch\nCOPY Dockerfile /\n", "--no-push", **env).code == 0
        for status in (resources.RUNNING, over):
            made["status"] = status
            controller.reconcile(KEY)
        wait_until(lambda: bool(collector.named("ImageBuild")))
        controller.reconcile(KEY)
    spans = {span.name: span for span in collector.spans}
    assert len({span.trace for span in collector.spans}) == 1
    assert len(collector.named("ImageBuild")) == 1
    root = spans["ImageBuild"]
    assert {span.name for span in collector.spans if span.parent == root.id} == {
        *("queued", "pod", "reconcile"),
        "build",
    }
    assert spans["pod start"].parent == spans["pod"].id
    made_at = datetime.fromisoformat(made["metadata"]["creationTimestamp"])
    start = spans["pod start"]
    # Whoever made the pod in this test has its own idea of when that was.
    assert start.end == max(start.start, int((NOW - timedelta(seconds=20)).timestamp() * 1e9))
    assert start.start == int(made_at.timestamp() * 1e9)
    assert (root.attributes["yadokari.image.digest"], root.error) == (DIGEST, None)
    assert root.resource["service.name"] == "yadokari-operator"
    assert spans["build"].resource["service.name"] == "yadokari-executor"
    secrets = [headers.get("authorization") for headers in collector.headers]
    assert secrets == [None, "s3cr3t"]


def test_a_collector_is_reached_by_the_proxy_of_the_environment(collector: Collector) -> None:
    with running_proxy({"collector.test": "127.0.0.1"}, login="me:secret") as proxy:
        url = collector.url.replace("127.0.0.1", "collector.test")
        sender = sending(url, read_proxies({"http_proxy": f"me:secret@{proxy.host}"}))
        sender.offer(KEY, told(with_pod(begun()), with_pod(failed("StepFailed"))))
        wait_until(lambda: bool(collector.named("ImageBuild")))
    assert proxy.asked == [f"POST {url}/v1/traces"]


def test_what_a_collector_does_not_take_is_tried_again_and_dropped(
    collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    collector.answer = 503
    sender = sending(collector.url, Proxies())
    sender.offer(KEY, told(with_pod(begun()), with_pod(failed("StepFailed"))))
    wait_until(lambda: "does not take a trace (503): it is dropped" in caplog.text)
    assert len(collector.paths) == 2
    collector.answer = 400
    sender.offer(KEY, told(with_pod(begun()), with_pod(failed("StepFailed"))))
    wait_until(lambda: "(400)" in caplog.text)
    assert len(collector.paths) == 3
    assert "s3cr3t" not in caplog.text
