"""A server that takes traces by OTLP over HTTP and reads them by OpenTelemetry's own messages."""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

_IDS = ("traceId", "spanId", "parentSpanId")
_ERROR = 2


@dataclass(frozen=True, slots=True)
class Taken:
    """A span as it was understood; times are nanoseconds since the epoch."""

    trace: str
    id: str
    parent: str
    name: str
    start: int
    end: int
    attributes: dict[str, Any]
    error: str | None
    resource: dict[str, Any]


@dataclass(slots=True)
class Collector:
    """What has come in; `answer` is the status of all answers, `holding` lets them wait for its being set."""

    url: str = ""
    answer: int = 200
    paths: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    spans: list[Taken] = field(default_factory=list)
    holding: threading.Event | None = None

    def named(self, name: str) -> list[Taken]:
        return [span for span in self.spans if span.name == name]

    def take(self, body: bytes) -> None:
        # Ids are the one thing in which OTLP's JSON is not that of protobuf: hexadecimal and not base64.
        request = ParseDict(_with_ids(json.loads(body)), ExportTraceServiceRequest())
        for resources in request.resource_spans:
            resource = _attributes(resources.resource.attributes)
            for scopes in resources.scope_spans:
                self.spans += (_taken(span, resource) for span in scopes.spans)


@contextmanager
def running_collector() -> Iterator[Collector]:
    """Take traces, on the loopback."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            collector.paths.append(self.path)
            collector.headers.append({name.lower(): value for name, value in self.headers.items()})
            if collector.holding:
                collector.holding.wait()
            if collector.answer == 200:
                collector.take(body)
            # Whoever was held may wait no longer.
            with suppress(OSError):
                self.send_response(collector.answer)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        server.block_on_close = False
        collector.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield collector
        if collector.holding:
            collector.holding.set()
        server.shutdown()
        thread.join()


def _with_ids(value: Any) -> Any:
    match value:
        case dict():
            return {
                key: base64.b64encode(bytes.fromhex(it)).decode() if key in _IDS else _with_ids(it)
                for key, it in value.items()
            }
        case list():
            return [_with_ids(it) for it in value]
    return value


def _taken(span: Any, resource: dict[str, Any]) -> Taken:
    return Taken(
        trace=span.trace_id.hex(),
        id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        name=span.name,
        start=span.start_time_unix_nano,
        end=span.end_time_unix_nano,
        attributes=_attributes(span.attributes),
        error=span.status.message if span.status.code == _ERROR else None,
        resource=resource,
    )


def _attributes(found: Any) -> dict[str, Any]:
    return {it.key: getattr(it.value, it.value.WhichOneof("value")) for it in found}
