"""Traces as OpenTelemetry has them: spans, whose they are, and how they are written.

Pure. Trace Context is W3C's, what is written is OTLP's JSON (opentelemetry-proto, docs/specification.md): ids
in hexadecimal digits, times in nanoseconds since the epoch, both as text.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from yadokari_contract import VERSION

TRACEPARENT = "TRACEPARENT"
"""The variable that names the span which a process belongs to."""

Value = str | bool | int | float

_TRACEPARENT = re.compile(
    "(?!ff)[0-9a-f]{2}-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})(-.*)?"
)
_SAMPLED = 1
_LONGEST = 8 * 1024
_INTERNAL = 1
_ERROR = 2


@dataclass(frozen=True, slots=True)
class TraceContext:
    """A trace, and the span in it that others belong to; one that is not `sampled` nobody wants to see."""

    trace: str
    span: str
    sampled: bool = True

    def __str__(self) -> str:
        return f"00-{self.trace}-{self.span}-{_SAMPLED if self.sampled else 0:02x}"

    @classmethod
    def parse(cls, text: str) -> "TraceContext | None":
        """Read a `traceparent`; None for what is none."""
        found = _TRACEPARENT.fullmatch(text.strip())
        if found is None or not int(found["trace"], 16) or not int(found["span"], 16):
            return None
        return cls(found["trace"], found["span"], bool(int(found["flags"], 16) & _SAMPLED))

    @classmethod
    def derived(cls, text: str) -> "TraceContext":
        """Make the one that whoever knows the text makes of it."""
        return cls(_digits(text, 32), span_id(text, "root"))

    def below(self, name: str) -> "TraceContext":
        """Make the one of a span below this one; of each name there is one."""
        return TraceContext(self.trace, span_id(self.span, name), self.sampled)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Something that took its time: from `start` to `end`, in seconds since the epoch.

    `parent` is the id of the span that it is a part of, empty for a trace's first; `error` is why it failed.
    """

    context: TraceContext
    name: str
    start: float
    end: float
    parent: str = ""
    attributes: Mapping[str, Value] = field(default_factory=dict)
    error: str | None = None


def span_id(parent: str, name: str) -> str:
    """Make the id of a span of what it is a part of, and of a name that no other part has."""
    return _digits(f"{parent}/{name}", 16)


def written(spans: Iterable[Span], resource: Mapping[str, str]) -> bytes:
    """Write an ExportTraceServiceRequest as JSON; `resource` is who made the spans."""
    scope = {"name": "yadokari", "version": VERSION}
    scoped = {"scope": scope, "spans": [_span(span) for span in spans]}
    request = {"resourceSpans": [{"resource": {"attributes": _attributes(resource)}, "scopeSpans": [scoped]}]}
    return json.dumps(request, separators=(",", ":")).encode()


def _span(span: Span) -> dict[str, Any]:
    parent = {"parentSpanId": span.parent} if span.parent else {}
    status = {} if span.error is None else {"code": _ERROR, "message": _text(span.error)}
    return {
        "traceId": span.context.trace,
        "spanId": span.context.span,
        **parent,
        "name": span.name,
        "kind": _INTERNAL,
        "startTimeUnixNano": _nanoseconds(span.start),
        # Clocks are set; what ends before it begins no backend can show.
        "endTimeUnixNano": _nanoseconds(max(span.start, span.end)),
        "attributes": _attributes(span.attributes),
        "status": status,
    }


def _attributes(values: Mapping[str, Value]) -> list[dict[str, Any]]:
    return [{"key": _text(key), "value": _value(value)} for key, value in values.items()]


def _value(value: Value) -> dict[str, Any]:
    match value:
        case bool():
            return {"boolValue": value}
        case int():
            return {"intValue": str(value)}
        case float():
            return {"doubleValue": value}
    return {"stringValue": _text(value)}


def _text(text: str) -> str:
    """Bound a text, which may be of any bytes, and make it one that can be written as UTF-8."""
    return text[:_LONGEST].encode(errors="replace").decode()


def _nanoseconds(time: float) -> str:
    return str(max(0, int(time * 1_000_000) * 1_000))


def _digits(text: str, number: int) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:number]
