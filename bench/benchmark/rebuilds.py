"""Rebuilds through a cache in the registry, beside the build without one."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from benchmark.builders import Builder, Figures, Job
from benchmark.meter import Meter, metered
from benchmark.registry import Registry
from benchmark.table import Results
from benchmark.workloads import Workload

PLAIN = "no-cache"
KINDS = (
    PLAIN,
    "first",
    "unchanged",
    "last-copy-changed",
    "early-step-changed",
)
"""What is measured, in this order; the early step changes, and its result does not."""


@dataclass(frozen=True, slots=True)
class Rebuilder:
    """A builder that uses the cache of its job, and the same one without a cache, if that is measured."""

    caching: Builder
    plain: Builder | None = None

    @property
    def name(self) -> str:
        """Its name in the table."""
        return self.caching.name


def measure(
    workloads: Sequence[Workload], builders: Sequence[Rebuilder], rounds: int, running: Registry
) -> Results:
    """Build each workload without a cache, and then through one, again and again, with each builder in turn.

    Results are by the names of workload and kind, with a blank between.
    """
    results: dict[str, dict[str, list[Figures]]] = {}
    with metered(running.host) as meter:
        for workload in workloads:
            text = workload.dockerfile.read_text()
            # A change of the Dockerfile is none of what is copied.
            (workload.context / ".dockerignore").write_text("Dockerfile\n")
            for _ in range(rounds):
                for builder in builders:
                    for kind, figures in _builds(workload, text, builder, running, meter):
                        row = results.setdefault(f"{workload.name} {kind}", {})
                        row.setdefault(builder.name, []).append(figures)
                        _tell(f"{workload.name} {kind:18} {builder.name:10}", figures)
    return results


def _builds(
    workload: Workload, text: str, builder: Rebuilder, running: Registry, meter: Meter
) -> Iterator[tuple[str, Figures]]:
    """Build, each time with an early step and a last copy that may have changed."""
    repository = f"measured/{workload.name}"
    image = f"{meter.host}/{repository}"
    job = Job(workload, meter.host, f"{image}:latest", f"{image}/cache")
    changes = ((1, 1), (1, 1), (1, 1), (1, 2), (2, 2))
    for kind, (early, late) in zip(KINDS, changes, strict=True):
        build = builder.plain if kind == PLAIN else builder.caching
        if build is None:
            continue
        first, _, rest = text[text.index("FROM ") :].partition("\n")
        # What copies all copies it, too.
        (workload.context / "late").write_text(f"{late}\n")
        copy = "" if "COPY . " in text else "COPY late /late\n"
        workload.dockerfile.write_text(f"{first}\nRUN : {early}\n{rest}{copy}")
        meter.take()
        figures = build.build(job)
        requests, size = meter.take()
        yield kind, replace(figures, requests=requests, wire=size)
        if kind == PLAIN:
            _forget(running, repository)
    _forget(running, repository)


def _forget(running: Registry, repository: str) -> None:
    running.forget(f"{repository}/cache")
    running.forget(repository)


def _tell(what: str, figures: Figures) -> None:
    print(
        f"{what} {figures.wall:6.2f} s {figures.cpu:6.2f} s CPU {figures.peak / 1e6:6.0f} MB"
        f" {figures.requests:4} requests {figures.wire / 1e6:8.1f} MB",
        file=sys.stderr,
    )
