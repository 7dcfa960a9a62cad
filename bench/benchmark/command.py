"""The command `bench/run`."""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmark import rebuilds
from benchmark.builders import Builder, Figures, Job, chroot_buildah, peer, yadokari
from benchmark.registry import Registry, registry
from benchmark.table import Results, machine, table
from benchmark.workloads import Workload, large_names, names, prepare
from support.folders import scratch_folder
from support.pod.images import RECIPES, built
from support.pod.kinds import KINDS
from support.pod.machine import why_no_containers

_CACHED = "--cache --cache-copy-layers --cache-repo {cache}"


def main(arguments: Sequence[str], description: str) -> int:
    """Run the command; returns its exit code."""
    options = _parser(description).parse_args(arguments)
    if reason := why_no_containers():
        print(f"bench: nothing can be built here: {reason}", file=sys.stderr)
        return 1
    image = str(built(options.image)) if options.image in RECIPES else options.image
    kinds = [yadokari(image, kind) for kind in options.kind]
    lodging = [yadokari(image, lodging=True)] if options.lodging else []
    builders = [
        yadokari(image),
        *lodging,
        *kinds,
        *([chroot_buildah()] if options.buildah else []),
        *options.peer,
    ]
    with tempfile.TemporaryDirectory(dir=scratch_folder(), prefix="bench-") as folder:
        workloads = prepare(options.only or names(), Path(folder, "contexts"))
        try:
            titles = {workload.name: workload.title for workload in workloads}
            if options.rebuilds:
                ways = [False, True] if options.lodging else [False]
                own = [_rebuilder(image, lodging=way) for way in ways]
                all_of_them = [*own, *(rebuilds.Rebuilder(peer) for peer in options.peer)]
                columns = tuple(builder.name for builder in all_of_them)
                results = rebuilds.measure(workloads, all_of_them, options.rounds, registry())
                titles = dict.fromkeys(results, "")
            else:
                columns = tuple(builder.name for builder in builders)
                heavy = any(workload.base == "bench/heavy" for workload in workloads)
                running = registry(with_heavy=heavy)
                results = _measure(workloads, builders, options.rounds, running)
        except RuntimeError as error:
            print(f"bench: {error}", file=sys.stderr)
            return 1
    print(f"{machine()}; medians of {options.rounds}\n")
    print(table(titles, columns, results))
    return 0


def _rebuilder(image: str, *, lodging: bool) -> rebuilds.Rebuilder:
    """Return Yadokari with a cache, and without one."""
    return rebuilds.Rebuilder(
        yadokari(image, more=_CACHED, lodging=lodging), yadokari(image, lodging=lodging)
    )


def _measure(
    workloads: Sequence[Workload], builders: Sequence[Builder], rounds: int, running: Registry
) -> Results:
    results: dict[str, dict[str, list[Figures]]] = {
        workload.name: {builder.name: [] for builder in builders} for workload in workloads
    }
    for _ in range(rounds):
        for workload in workloads:
            for builder in builders:
                repository = f"measured/{workload.name}"
                job = Job(workload, running.host, f"{running.host}/{repository}:latest")
                figures = builder.build(job)
                running.forget(repository)
                results[workload.name][builder.name].append(figures)
                print(
                    f"{workload.name} {builder.name:10} {figures.wall:6.2f} s {figures.cpu:6.2f} s CPU"
                    f" {figures.peak / 1e6:6.0f} MB",
                    file=sys.stderr,
                )
    return results


def _parser(description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bench/run", description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--only", type=_names, metavar="NAMES", help="workloads to build, with commas between")
    add("--rounds", type=int, default=3, metavar="N", help="how often (3)")
    add("--image", default="executor", help="executor (default), or the folder of an OCI layout")
    add("--kind", action="append", default=[], choices=KINDS, help="Yadokari in this kind of pod, too")
    add("--lodging", action="store_true", help="Yadokari in a container of the base, too")
    add("--without-buildah", dest="buildah", action="store_false", help="leave buildah out")
    add("--rebuilds", action="store_true", help="measure rebuilds through a cache")
    add("--peer", action="append", default=[], type=peer, metavar="[NAME=]COMMAND", help="another builder")
    return parser


def _names(text: str) -> list[str]:
    wanted = text.split(",")
    if unknown := sorted(set(wanted) - {*names(), *large_names()}):
        raise argparse.ArgumentTypeError(f"there is no workload {', '.join(unknown)}")
    return wanted
