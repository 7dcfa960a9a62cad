"""`describe`: all there is to say of an ImageBuild, with what to do where it failed."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from kubectl_imagebuild.build import Build, shown
from kubectl_imagebuild.dockerfile import excerpt, stage_at
from kubectl_imagebuild.errors import PluginError
from kubectl_imagebuild.kubectl import RESOURCE
from kubectl_imagebuild.verbs.asked import Asked
from kubectl_imagebuild.writing import since, table
from yadokari_api.reasons import advice
from yadokari_contract.sizes import human_size

_INDENT = "  "


def run(asked: Asked) -> int:
    """Write it; returns the exit code."""
    names, output = asked.arguments.names, asked.arguments.output
    if names and asked.chosen:
        raise PluginError(
            "names are given, and -A or -l, which choose without: leave out one or the other", 2
        )
    if output:
        asked.out.write(asked.kubectl.run("get", RESOURCE, *names, *asked.chosen, "-o", output))
        return 0
    builds = _named(asked, names) if names else _chosen(asked)
    for number, build in enumerate(builds):
        selector = f"involvedObject.uid={build.text('metadata', 'uid')}"
        events = asked.kubectl.json(
            "get", "events", "--namespace", build.namespace, "--field-selector", selector
        )
        if number:
            asked.out.write("\n\n")
        for line in described(build, events["items"]):
            asked.out.write(f"{line}\n")
    return 0


def _named(asked: Asked, names: Sequence[str]) -> Iterator[Build]:
    """Read one after the other: those before one that is not there are described."""
    return map(asked.kubectl.build, names)


def _chosen(asked: Asked) -> Sequence[Build]:
    found = asked.builds()
    if not found:
        asked.say_that_there_are_none()
    return found


def described(build: Build, events: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Describe an ImageBuild and the Events about it, line by line."""
    now = datetime.now(UTC)
    yield from _pairs(_overview(build, now))
    yield from _failure(build)
    if misses := build.texts("status", "steps", "misses"):
        yield "Not in the cache:"
        yield from (f"{_INDENT}{miss}" for miss in misses)
    rows = [
        (shown(phase.get("name")), shown(phase.get("seconds"))) for phase in build.items("status", "phases")
    ]
    yield from _section("Phases", ("PHASE", "SECONDS"), rows)
    conditions = [
        (
            *(shown(one.get(field)) for field in ("type", "status", "reason")),
            since(shown(one.get("lastTransitionTime")), now),
        )
        for one in build.items("status", "conditions")
    ]
    yield from _section("Conditions", ("TYPE", "STATUS", "REASON", "SINCE"), conditions)
    yield from _section(
        "Runs", ("RUN", "WHY", "RESULT", "FAILURE", "DURATION", "ENDED", "DIGEST"), _runs(build, now)
    )
    happened = [_event(event, now) for event in sorted(events, key=_time_of)]
    yield from (
        _section("Events", ("TYPE", "REASON", "AGE", "MESSAGE"), happened)
        if happened
        else ("Events:  <none>",)
    )


def _overview(build: Build, now: datetime) -> Iterator[tuple[str, str]]:
    yield "Name", build.name
    yield "Namespace", build.namespace
    yield (
        "Status",
        f"{build.phase} ({build.reason})" if build.reason not in ("", build.phase) else build.phase,
    )
    yield "Message", build.message
    if build.reason != build.text("status", "failure", "reason"):
        yield "What to do", advice(build.reason)
    destinations = [shown(one.get("image")) for one in build.items("spec", "destinations")]
    yield "Destinations", ", ".join(destinations)
    yield "Dockerfile", _dockerfile(build)
    yield "Context", _context(build)
    if build.number("status", "run", "number"):
        yield from _run(build, now)
    if build.value("status", "output"):
        yield "Image", build.text("status", "output", "ref")
        if number := build.number("status", "output", "size"):
            yield "Size", human_size(number)


def _run(build: Build, now: datetime) -> Iterator[tuple[str, str]]:
    run = ("status", "run")
    yield "Run", ", ".join(filter(None, (str(build.number(*run, "number")), build.text(*run, "reason"))))
    for pod in build.pods:
        platform = f", {pod.platform}" if pod.platform else ""
        yield "Pod", f"{pod.name} (attempt {pod.attempt}{platform})"
    yield "Node", build.text(*run, "node")
    for name, field in (("Queued", "queuedAt"), ("Started", "startedAt"), ("Finished", "finishedAt")):
        if time := build.text(*run, field):
            yield name, f"{time} ({since(time, now)} ago)"
    yield "Duration", build.duration(now)
    yield "Progress", build.text("status", "progress", "summary")
    if build.value("status", "steps"):
        cached = build.number("status", "steps", "cached")
        yield "Steps", f"{build.steps} done" + (f", {cached} from the cache" if cached else "")
    for entry in build.items("status", "lodging"):
        yield "Base", _base(entry)


def _base(entry: Mapping[str, Any]) -> str:
    """Say what came of a base in whose own container a stage can be built."""
    stage, message = shown(entry.get("stage")), shown(entry.get("message"))
    came = f"stage {stage} was built in its own container" if stage else message
    return ": ".join(filter(None, (shown(entry.get("platform")), shown(entry.get("image")), came)))


def _failure(build: Build) -> Iterator[str]:
    failure = ("status", "failure")
    if not build.value(*failure):
        return
    text, line = build.value("spec", "dockerfile"), build.number(*failure, "line")
    text = text if isinstance(text, str) else ""
    reason = build.text(*failure, "reason")
    yield "Failure:"
    code = build.value(*failure, "exitCode")
    facts = [
        ("Reason", reason),
        ("Message", build.headline(*failure, "message")),
        ("Exit code", shown(code)),
        ("Stage", stage_at(text, line)),
        ("Line", str(line) if line else ""),
        ("What to do", advice(reason)),
    ]
    yield from (f"{_INDENT}{pair}" for pair in _pairs(facts))
    if lines := list(excerpt(text, line)) or build.more_lines(*failure, "message"):
        yield f"{_INDENT}Dockerfile:"
        yield from (f"{_INDENT * 2}{one}" for one in lines)
    if tail := build.lines(*failure, "logTail"):
        yield f"{_INDENT}Log:"
        yield from (f"{_INDENT * 2}{one}" for one in tail.rstrip("\n").split("\n"))


def _runs(build: Build, now: datetime) -> list[tuple[str, ...]]:
    return [
        (
            *(shown(run.get(field)) for field in ("number", "reason", "result", "failure", "duration")),
            since(shown(run.get("finishedAt")), now),
            shown(run.get("digest")),
        )
        for run in build.items("status", "history")
    ]


def _dockerfile(build: Build) -> str:
    text = build.value("spec", "dockerfile")
    if isinstance(text, str):
        lines = len(text.splitlines())
        return f"in the spec, {lines} {'line' if lines == 1 else 'lines'}"
    reference = ("spec", "dockerfileFrom", "configMapKeyRef")
    if build.value(*reference):
        key = build.text(*reference, "key") or "Dockerfile"
        return f"key {key} of ConfigMap {build.text(*reference, 'name')}"
    return f"{build.text('spec', 'dockerfileFrom', 'path')} of the context"


def _context(build: Build) -> str:
    """Say where the context is, and what that was resolved to."""
    context = build.value("spec", "context")
    if not isinstance(context, Mapping) or not context:
        return "<none>"
    kind, value = next(iter(context.items()))
    where = Build({"items": value if isinstance(value, list) else [value]}).items("items")
    said = [" ".join(shown(one.get(name)) for name in _PLACES if shown(one.get(name))) for one in where]
    resolved = build.text("status", "source", "commit") or build.text("status", "source", "digest")
    return f"{shown(kind)} {', '.join(said)}" + (f" ({resolved})" if resolved else "")


_PLACES = ("url", "ref", "image", "bucket", "key", "name", "claimName", "subPath", "path")


def _event(event: Mapping[str, Any], now: datetime) -> tuple[str, str, str, str]:
    kind, reason, message = (shown(event.get(field)) for field in ("type", "reason", "message"))
    return kind, reason, since(_time_of(event), now), message


def _time_of(event: Mapping[str, Any]) -> str:
    return next(
        filter(None, (shown(event.get(name)) for name in ("lastTimestamp", "eventTime", "firstTimestamp"))),
        "",
    )


def _section(name: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    if rows:
        yield f"{name}:"
        yield from (f"{_INDENT}{line}" for line in table(head, rows))


def _pairs(pairs: Iterator[tuple[str, str]] | Sequence[tuple[str, str]]) -> Iterator[str]:
    """Write names and values, one beneath the other; without those that have no value."""
    given = [(name, value) for name, value in pairs if value]
    most = max((len(name) for name, _ in given), default=0) + 1
    for name, value in given:
        yield f"{name + ':':<{most}}  {value}"
