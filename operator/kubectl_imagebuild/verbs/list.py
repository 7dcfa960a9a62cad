"""`list`: ImageBuilds, a line each."""

from collections.abc import Iterator
from datetime import UTC, datetime

from kubectl_imagebuild.build import Build
from kubectl_imagebuild.kubectl import RESOURCE
from kubectl_imagebuild.verbs.asked import Asked
from kubectl_imagebuild.writing import since, table

_HEAD = ("NAME", "READY", "STATUS", "STEPS", "REASON", "IMAGE", "DURATION", "AGE")
_WIDE_HEAD = ("RUN", "DIGEST")


def run(asked: Asked) -> int:
    """Write them; returns the exit code."""
    arguments = asked.arguments
    if arguments.output in ("json", "yaml", "name"):
        asked.out.write(asked.kubectl.run("get", RESOURCE, *asked.chosen, "-o", arguments.output))
        return 0
    builds = asked.builds()
    if not builds:
        asked.say_that_there_are_none()
        return 0
    everywhere, wide = arguments.all_namespaces, arguments.output == "wide"
    head = (*(["NAMESPACE"] if everywhere else []), *_HEAD, *(_WIDE_HEAD if wide else ()))
    now = datetime.now(UTC)
    rows = [tuple(_row(build, now, everywhere=everywhere, wide=wide)) for build in builds]
    for line in table(head, rows):
        asked.out.write(f"{line}\n")
    return 0


def _row(build: Build, now: datetime, *, everywhere: bool, wide: bool) -> Iterator[str]:
    if everywhere:
        yield build.namespace
    yield build.name
    yield build.condition("Ready")[0] if build.is_observed else "Unknown"
    yield build.phase
    yield build.steps
    yield build.reason
    yield build.image
    yield build.duration(now)
    yield since(build.text("metadata", "creationTimestamp"), now)
    if wide:
        yield build.text("status", "run", "reason")
        yield build.text("status", "output", "digest")
