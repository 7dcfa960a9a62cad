"""Rebuilds through a cache in the registry, beside the build without one."""

import sys
from collections.abc import Iterator, Sequence

from benchmark.builders import Builder, Figures, Job
from benchmark.registry import Registry
from benchmark.table import Results
from benchmark.workloads import Workload

KINDS = (
    "no-cache",
    "first",
    "unchanged",
    "last-copy-changed",
    "early-step-changed",
)
"""What is measured, in this order; the early step changes, and its result does not."""


def measure(
    workloads: Sequence[Workload], plain: Builder, caching: Builder, rounds: int, running: Registry
) -> Results:
    """Build each workload without a cache, and then through one, again and again."""
    results: dict[str, dict[str, list[Figures]]] = {
        workload.name: {kind: [] for kind in KINDS} for workload in workloads
    }
    for workload in workloads:
        text = workload.dockerfile.read_text()
        # A change of the Dockerfile is none of what is copied.
        (workload.context / ".dockerignore").write_text("Dockerfile\n")
        for _ in range(rounds):
            for kind, figures in _builds(workload, text, plain, caching, running):
                results[workload.name][kind].append(figures)
                told = f"{figures.wall:6.2f} s {figures.cpu:6.2f} s CPU {figures.peak / 1e6:6.0f} MB"
                print(f"{workload.name} {kind:18} {told}", file=sys.stderr)
    return results


def _builds(
    workload: Workload, text: str, plain: Builder, caching: Builder, running: Registry
) -> Iterator[tuple[str, Figures]]:
    """Build, each time with an early step and a last copy that may have changed."""
    repository = f"measured/{workload.name}"
    job = Job(workload, running.host, f"{running.host}/{repository}:latest")
    changes = ((1, 1, plain), (1, 1, caching), (1, 1, caching), (1, 2, caching), (2, 2, caching))
    for kind, (early, late, builder) in zip(KINDS, changes, strict=True):
        first, _, rest = text[text.index("FROM ") :].partition("\n")
        copy = f"COPY <<end /late\n{late}\nend\n"
        workload.dockerfile.write_text(f"{first}\nRUN : {early}\n{rest}{copy}")
        yield kind, builder.build(job)
        if builder is plain:
            running.forget(repository)
    running.forget(repository)
