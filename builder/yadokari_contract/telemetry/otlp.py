"""Where traces are sent, as OpenTelemetry's variables say it (specification, protocol/exporter.md)."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, unquote

from yadokari_contract.urls import path_of
from yadokari_contract.variables import KANIKO_TELEMETRY

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
RESOURCE = "OTEL_RESOURCE_ATTRIBUTES"
PROTOCOL = "http/json"

_OTLP, _TRACES = "OTEL_EXPORTER_OTLP_", "OTEL_EXPORTER_OTLP_TRACES_"
_PATH = "/v1/traces"
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_SECONDS, _MOST_SECONDS = 5.0, 10.0
_UNKNOWN = {
    "CERTIFICATE": "SSL_CERT_FILE names the authorities that are trusted",
    "CLIENT_CERTIFICATE": "collectors that want a certificate are not known",
    "CLIENT_KEY": "collectors that want a certificate are not known",
    "COMPRESSION": "traces are small, and sent as they are",
    "INSECURE": "the endpoint's scheme says it",
}
_LENGTH = "texts are cut after 8,192 characters"
_READ = frozenset(
    {
        *(
            f"{prefix}{name}"
            for name in ("ENDPOINT", "HEADERS", "PROTOCOL", "TIMEOUT")
            for prefix in (_OTLP, _TRACES)
        ),
        *("OTEL_SERVICE_NAME", RESOURCE, "OTEL_SDK_DISABLED", "OTEL_TRACES_EXPORTER"),
    }
)
_OTHERS = {
    "KANIKO_TELEMETRY_BUILD_ID": "TRACEPARENT and OTEL_RESOURCE_ATTRIBUTES tell builds apart",
    "KANIKO_TELEMETRY_TOKEN_EXCHANGE_ENDPOINT": "a token goes into OTEL_EXPORTER_OTLP_HEADERS",
    "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": _LENGTH,
    "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT": _LENGTH,
    "OTEL_SDK_DISABLED": "true switches traces off, and nothing else does",
    "OTEL_TRACES_SAMPLER": "all builds are traced but those whose TRACEPARENT says they are not",
}


class ExportError(ValueError):
    """A variable has a value that cannot be; the text names it and what it can be, and quotes no secret."""


@dataclass(frozen=True, slots=True)
class Export:
    """Where traces are sent: the URL, headers that may be secret, for how many seconds it is tried.

    `resource` is who sends them.
    """

    url: str
    headers: Mapping[str, str] = field(repr=False)
    timeout: float
    resource: Mapping[str, str]


def read_export(environment: Mapping[str, str], service: str) -> Export | None:
    """Read where the traces of a service go, None where nobody wants any. Raises `ExportError`.

    What is said of traces counts before what is said of all. Nothing is sent unless an endpoint is named.
    """
    url = _url(environment)
    exporter = environment.get("OTEL_TRACES_EXPORTER", "").strip()
    if not url or _disabled(environment) == "true" or exporter == "none":
        return None
    if exporter not in ("", "otlp"):
        raise ExportError(f"OTEL_TRACES_EXPORTER is {exporter!r}: it can be otlp or none")
    name, protocol = _said(environment, "PROTOCOL")
    if protocol not in ("", PROTOCOL):
        raise ExportError(
            f"{name} is {protocol!r}: traces are sent by {PROTOCOL} alone, which collectors take at the"
            " port of http/protobuf, mostly 4318"
        )
    resource = {"service.name": service, **_pairs(environment.get(RESOURCE, ""), RESOURCE)}
    if own := environment.get("OTEL_SERVICE_NAME"):
        resource["service.name"] = own
    return Export(url, _headers(environment), _timeout(environment), resource)


def without_effect(environment: Mapping[str, str]) -> Iterator[str]:
    """Say of each of OpenTelemetry's variables that is set, and changes nothing, why; a line each."""
    companions = {prefix + name: why for name, why in _UNKNOWN.items() for prefix in (_OTLP, _TRACES)}
    known = companions | _OTHERS
    read = _READ if _disabled(environment) in ("", "true", "false") else _READ - {"OTEL_SDK_DISABLED"}
    for name in sorted(environment):
        if environment[name] and name not in read and (name in known or name.startswith("OTEL_")):
            yield f"{name} changes nothing: {known.get(name, 'traces are made without it')}"


def with_resource(said: str, more: Mapping[str, str]) -> str:
    """Add to the value of OTEL_RESOURCE_ATTRIBUTES; what it says already counts."""
    known = _pairs(said, RESOURCE)
    return ",".join(f"{key}={quote(value, safe='')}" for key, value in {**more, **known}.items())


def _disabled(environment: Mapping[str, str]) -> str:
    return environment.get("OTEL_SDK_DISABLED", "").strip().lower()


def _url(environment: Mapping[str, str]) -> str:
    for name, path, is_base in (
        (KANIKO_TELEMETRY, _PATH, False),
        (f"{_TRACES}ENDPOINT", "/", False),
        (ENDPOINT, _PATH, True),
    ):
        value = environment.get(name, "").strip()
        if not value:
            continue
        own_path = path_of(value)
        if own_path is None:
            # It may hold a password.
            raise ExportError(f"{name} is no URL like http://HOST:4318; a password goes into {_OTLP}HEADERS")
        if is_base:
            return value.rstrip("/") + path
        return value if own_path not in ("", "/") else value.rstrip("/") + path
    return ""


def _said(environment: Mapping[str, str], name: str) -> tuple[str, str]:
    for prefix in (_TRACES, _OTLP):
        if value := environment.get(prefix + name, "").strip():
            return prefix + name, value
    return _OTLP + name, ""


def _headers(environment: Mapping[str, str]) -> Mapping[str, str]:
    name, said = _said(environment, "HEADERS")
    headers = _pairs(said, name)
    for key, value in headers.items():
        if not _TOKEN.fullmatch(key) or not value.isprintable() or not value.isascii():
            raise ExportError(f"{name} is a list of NAME=VALUE, separated by commas, with values as in a URL")
    return headers


def _timeout(environment: Mapping[str, str]) -> float:
    name, said = _said(environment, "TIMEOUT")
    if not said:
        return _SECONDS
    if re.fullmatch("[0-9]{1,9}", said, re.ASCII) is None:
        raise ExportError(f"{name} is {said!r}: it is a number of milliseconds")
    # A build's end waits for that.
    return min(int(said) / 1000, _MOST_SECONDS)


def _pairs(text: str, name: str) -> dict[str, str]:
    """Read what is written like W3C's Baggage; raises `ExportError`."""
    pairs = {}
    for part in filter(None, map(str.strip, text.split(","))):
        key, equals, value = part.partition("=")
        if not equals or not key.strip():
            raise ExportError(f"{name} is a list of NAME=VALUE, separated by commas, with values as in a URL")
        pairs[unquote(key.strip())] = unquote(value.strip())
    return pairs
