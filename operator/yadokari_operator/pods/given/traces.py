"""Where an executor sends its trace, and which trace that is.

Headers are never handed on: whoever makes ImageBuilds chooses what executes, and could read them there.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from yadokari_api.imagebuild import ImageBuild
from yadokari_api.pod.executor import Executor
from yadokari_contract.telemetry.otlp import ENDPOINT, RESOURCE, ExportError, read_export, with_resource
from yadokari_contract.telemetry.trace import TRACEPARENT, TraceContext

Manifest = dict[str, Any]

_HANDED_ON = tuple(
    f"OTEL_EXPORTER_OTLP_{name}"
    for name in ("ENDPOINT", "TRACES_ENDPOINT", "PROTOCOL", "TRACES_PROTOCOL", "TIMEOUT", "TRACES_TIMEOUT")
)


def environment(
    build: ImageBuild, run: str, executor: Executor, telemetry: Mapping[str, str], endpoint: str
) -> list[Manifest]:
    """Write the variables of a run's executor, but those that its spec has itself; none where all is off.

    `telemetry` are the operator's own, `endpoint` is the base that takes the place of theirs, unless it is
    empty.
    """
    given = {name: value for name in _HANDED_ON if (value := telemetry.get(name))}
    if endpoint:
        given = {name: value for name, value in given.items() if not name.endswith("ENDPOINT")}
        given[ENDPOINT] = endpoint
    try:
        if read_export({**telemetry, **given}, "") is None:
            return []
    except ExportError:
        # The operator's log says what cannot be.
        return []
    own = {variable.name for variable in executor.env}
    given |= dict(_about(build, run, telemetry))
    return [{"name": name, "value": value} for name, value in given.items() if name not in own]


def context_of(build: ImageBuild, run: str) -> TraceContext:
    """Give the trace of a run and its first span: they follow from the run, and nobody has to store them."""
    return TraceContext.derived(f"{build.uid}/{run}")


def _about(build: ImageBuild, run: str, telemetry: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    where = {"k8s.namespace.name": build.key.namespace, "yadokari.imagebuild.name": build.key.name}
    yield RESOURCE, with_resource(telemetry.get(RESOURCE, ""), where)
    yield TRACEPARENT, str(context_of(build, run))
