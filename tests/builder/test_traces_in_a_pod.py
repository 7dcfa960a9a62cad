"""The trace of a build in a pod, whose steps want to know where it goes and to have a say in it."""

from pathlib import Path

import pytest

from support.building import build
from support.collector import running_collector
from support.pod import why_no_containers

pytestmark = [
    pytest.mark.pod,
    pytest.mark.skipif(bool(why_no_containers()), reason=why_no_containers() or ""),
]

DOCKERFILE = r"""FROM busybox
RUN env; cat /proc/1/environ /proc/$PPID/environ | tr '\0' '\n'; true
RUN echo 192.0.2.1 localhost > /etc/hosts || true
RUN echo far > /far && false
"""


def test_steps_are_traced_and_neither_see_the_headers_nor_say_where_a_trace_goes(tmp_path: Path) -> None:
    with running_collector() as collector:
        environment = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url.replace("127.0.0.1", "localhost"),
            "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20s3cr3t",
        }
        built = build(tmp_path, DOCKERFILE, env=environment)
    assert built.result.exit_code == 11, built.output
    assert "PATH=" in built.output
    assert "s3cr3t" not in built.output
    assert "OTEL_" not in built.output
    assert [headers["authorization"] for headers in collector.headers] == ["Bearer s3cr3t"]
    steps = collector.named("Command")
    assert [span.attributes["kaniko.instruction.line"] for span in steps] == [1, 2, 3, 4]
    assert [span.error is None for span in steps] == [True, True, True, False]
    (root,) = collector.named("build")
    assert root.attributes["error.type"] == "StepFailed"
    assert root.attributes["host.name"]
