"""Results as a table in Markdown."""

import os
import platform
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

from benchmark.builders import Figures

Results = Mapping[str, Mapping[str, Sequence[Figures]]]
"""Figures by the names of workload and builder, one a round."""


def machine() -> str:
    """Say when and on what this runs."""
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line]
    model = models[0].partition(":")[2].strip() if models else platform.machine()
    return f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores ({model}), Linux {platform.release()}"


def table(titles: Mapping[str, str], builders: Sequence[str], results: Results) -> str:
    """Lay out the medians, rows by name and title; the first builder is what others are compared to.

    Where they were counted, requests and megabytes on the wire come after the rest.
    """
    lines = [
        "| workload | " + " | ".join(f"{name}: s / CPU s / MB" for name in builders)
        + "".join(f" | {name} : {builders[0]}" for name in builders[1:]) + " |",
        "|---" * (2 * len(builders)) + "|",
    ]  # fmt: skip
    for name, title in titles.items():
        measured = {builder: _median(rounds) for builder, rounds in results[name].items()}
        first = measured[builders[0]].wall
        cells = [f"{name} {title}"]
        cells += [_figures(measured[builder]) if builder in measured else "" for builder in builders]
        cells += [
            f"{measured[builder].wall / first:.1f}" if builder in measured else "" for builder in builders[1:]
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _figures(figures: Figures) -> str:
    text = f"{figures.wall:.2f} / {figures.cpu:.2f} / {figures.peak / 1e6:.0f}"
    return f"{text}; {figures.requests} for {figures.wire / 1e6:.1f} MB" if figures.requests else text


def _median(rounds: Sequence[Figures]) -> Figures:
    return Figures(
        median(figures.wall for figures in rounds),
        median(figures.cpu for figures in rounds),
        median(figures.peak for figures in rounds),
        int(median(figures.requests for figures in rounds)),
        int(median(figures.wire for figures in rounds)),
    )
