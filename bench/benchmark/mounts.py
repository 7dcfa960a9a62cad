"""The command `bench/mounts`."""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmark.cacheable import cacheable
from benchmark.projects import base, image_name
from benchmark.registry import Registry, push, registry
from benchmark.table import machine
from support.folders import remove_tree, scratch_folder
from support.pod.api import COMMAND
from support.pod.images import built
from support.pod.kinds import KINDS

# A proxy that does not answer stands for a network that is out of reach.
_UNREACHABLE = "${OFFLINE:+env HTTP_PROXY=http://127.0.0.1:9 HTTPS_PROXY=http://127.0.0.1:9}"
_CACHE = "--mount=type=cache,target=/root"
# Of plain HTTP pip keeps what comes from trusted hosts alone.
_STEPS = {
    "python": f'RUN {_CACHE}/.cache/pip sed -i "s#https://#http://$PACKAGES/#" pinned.txt'
    f" && {_UNREACHABLE} pip install --trusted-host=127.0.0.1 --trusted-host=$PACKAGES"
    " --no-deps --no-compile --target=/app -r pinned.txt",
    "node": f"RUN {_CACHE}/.npm {_UNREACHABLE} npm ci --no-audit --no-fund ${{OFFLINE:+--offline}}",
    "go": f"RUN {_CACHE}/go/pkg/mod {_CACHE}/.cache/go-build"
    f" {_UNREACHABLE} env CGO_ENABLED=0 ${{OFFLINE:+GOPROXY=off}} go build -o /app .",
}
_NODE, _VOLUME, _REGISTRY = "on the node", "volume", "registry"
_KEPT = "/yadokari/work/caches"


@dataclass(frozen=True, slots=True)
class _Project:
    """A project, and where its caches are kept: in folders below `folder`, and in a repository.

    Python's packages come through `packages`, HOST:PORT (see `cacheable`).
    """

    name: str
    folder: Path
    running: Registry
    packages: str
    kind: str

    @property
    def repository(self) -> str:
        return f"measured/mounts-{self.name}"

    def write(self) -> None:
        """Write its context, and make the folders."""
        for name in ("context", "volume", "out"):
            (self.folder / name).mkdir(parents=True)
        start = f"FROM {self.running.host}/{image_name(self.name)}\nARG OFFLINE PACKAGES\n"
        (self.folder / "context/Dockerfile").write_text(f"{start}{_STEPS[self.name]}\n")

    def build(self, way: str, *, first: bool) -> tuple[float, float]:
        """Build in a pod; returns seconds, and those of CPU. Raises `RuntimeError` if it fails."""
        out = self.folder / "out"
        words = [
            *("time -f", "'%e %U %S'", f"-o {out}/time /yadokari/executor --no-push"),
            *(f"--context=dir://{self.folder}/context", "--insecure --insecure-pull"),
            self._place(way),
            f"--build-arg=PACKAGES={self.packages}",
            "" if first else "--build-arg=OFFLINE=1",
        ]
        lines = ["set -e; export PATH=/busybox", " ".join(words)]
        if way == _NODE and first:
            lines.append(f"cp -a {_KEPT} {out}/caches")
        elif way == _NODE:
            lines.insert(1, f"cp -a {out}/caches {_KEPT}")
        _run_pod(f"--kind {self.kind} --bind {self.folder}:rw", "\n".join(lines))
        wall, *cpu = map(float, (out / "time").read_text().split())
        return wall, sum(cpu)

    def _place(self, way: str) -> str:
        places = {
            _VOLUME: f"--cache-mounts-dir={self.folder}/volume",
            _REGISTRY: f"--cache-mounts-repo={self.running.host}/{self.repository}",
        }
        return places.get(way, "")

    @property
    def kept(self) -> int:
        """How many bytes are kept on the volume."""
        return sum(path.stat().st_size for path in (self.folder / "volume").iterdir())


_Times = Mapping[str, Sequence[tuple[float, float]]]


def main(arguments: Sequence[str], description: str) -> int:
    """Run the command; returns its exit code."""
    parser = argparse.ArgumentParser(
        prog="bench/mounts", description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", type=lambda text: text.split(","), default=[*_STEPS], metavar="NAMES")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="how often (5)")
    parser.add_argument("--kind", choices=KINDS, default="baseline", help="what the pod may do")
    options = parser.parse_args(arguments)
    if unknown := sorted({*options.only} - {*_STEPS}):
        parser.error(f"there is no project {', '.join(unknown)}")
    built("debug")
    running = registry()
    for name in options.only:
        push(base(name), running.host, image_name(name))
    with (
        tempfile.TemporaryDirectory(dir=scratch_folder(), prefix="bench-") as folder,
        cacheable() as packages,
    ):
        made = [_Project(name, Path(folder, name), running, packages, options.kind) for name in options.only]
        try:
            rows = [_row(project, _measure(project, options.rounds)) for project in made]
        except RuntimeError as error:
            print(f"bench: {error}", file=sys.stderr)
            return 1
    print(f"{machine()}; medians of {options.rounds}\n")
    print("| s / CPU s | kept, MB | on the node | volume | registry | volume : node | registry : node |")
    print("|---" * 7 + "|", *rows, sep="\n")
    return 0


def _run_pod(options: str, script: str) -> None:
    pod = f"{COMMAND} --image debug {options} --entrypoint /busybox/busybox -- sh -c".split()
    done = subprocess.run(
        [*pod, script], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if done.returncode:
        sys.stderr.write(done.stdout[-4000:])
        raise RuntimeError(f"a build failed with exit code {done.returncode}; see above")


def _measure(project: _Project, rounds: int) -> _Times:
    ways = (_NODE, _VOLUME, _REGISTRY)
    times: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    project.write()
    try:
        for way in ways:
            _tell(project.name, way, "first", project.build(way, first=True))
        for _ in range(rounds):
            for way in ways:
                times[way].append(project.build(way, first=False))
                _tell(project.name, way, "second", times[way][-1])
    finally:
        project.running.forget(project.repository)
        remove_tree(project.folder / "out/caches")
    return times


def _row(project: _Project, times: _Times) -> str:
    medians = {way: [median(part) for part in zip(*times[way], strict=True)] for way in times}
    cells = [project.name, f"{project.kept / 1e6:.0f}"]
    cells += [" / ".join(f"{part:.2f}" for part in medians[way]) for way in medians]
    for way in (_VOLUME, _REGISTRY):
        ratios = (part / whole for part, whole in zip(medians[way], medians[_NODE], strict=True))
        cells.append(" / ".join(f"{ratio:.2f}" for ratio in ratios))
    return f"| {' | '.join(cells)} |"


def _tell(name: str, way: str, which: str, times: tuple[float, float]) -> None:
    print(f"{name:8} {way:12} {which:7} {times[0]:6.2f} s {times[1]:6.2f} s CPU", file=sys.stderr, flush=True)
