"""Builders, run once for a workload and measured."""

import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark.buildah import buildah
from benchmark.workloads import Workload
from support.folders import scratch_folder
from support.pod.api import COMMAND

# Not the builder's own doing: without it a peer could take another path than users see.
_BUILD_OPTIONS = ("--isolation=chroot", "--layers=false", "--network=host", "--tls-verify=false")


@dataclass(frozen=True, slots=True)
class Figures:
    """What a build took: seconds, seconds of CPU of all processes, the largest resident set in bytes.

    Where that is counted, `requests` are those to the registry, `wire` the bytes from it and to it.
    """

    wall: float
    cpu: float
    peak: float
    requests: int = 0
    wire: int = 0


@dataclass(frozen=True, slots=True)
class Job:
    """One build: what, where images come from (HOST:PORT), where it goes, and a repository for its cache."""

    workload: Workload
    mirror: str
    destination: str
    cache: str = ""


Build = Callable[[Job], Figures]


@dataclass(frozen=True, slots=True)
class Builder:
    """A builder and its name in the table."""

    name: str
    build: Build


def yadokari(image: str, kind: str = "", more: str = "", *, lodging: bool = False) -> Builder:
    """Return Yadokari, run as a pod is run; tests/pod knows image and kind by these names.

    `more` are arguments beside those of every build. With `lodging` the pod's container is the base's, which
    is unpacked before the clock, as a node has it.
    """
    options = f"--kind {kind} " if kind else ""
    options += "--root {base} " if lodging else ""
    options += f"--image {shlex.quote(image)} --no-mirror --bind {{context}} --report {{report}}"
    pod = f"{COMMAND} {options} --"
    arguments = "--context dir://{context} --dockerfile {dockerfile} --destination {destination} --insecure"
    mirror = "--registry-mirror {mirror} --insecure-registry {mirror}"
    name = "-".join(filter(None, ["Yadokari", kind, "lodging" if lodging else ""]))
    return peer(f"{name}={pod} {arguments} {mirror} {more}")


def chroot_buildah() -> Builder:
    """Return buildah without a daemon or a container: build, then push."""
    return Builder("buildah", _build_with_buildah)


def peer(text: str) -> Builder:
    """Read `[NAME=]COMMAND`, where the command has placeholders; it is no shell's."""
    name, found, command = text.partition("=")
    if not found or not re.fullmatch(r"[\w.-]+", name):
        name, command = shlex.split(text)[0].rpartition("/")[2], text
    words = shlex.split(command)

    def build(job: Job) -> Figures:
        places = {
            "{base}": job.workload.base,
            "{context}": str(job.workload.context),
            "{dockerfile}": str(job.workload.dockerfile),
            "{destination}": job.destination,
            "{mirror}": job.mirror,
            "{cache}": job.cache,
        }
        return measured(words, places)

    return Builder(name, build)


def measured(words: Sequence[str], places: Mapping[str, str]) -> Figures:
    """Run a command whose placeholders are `places`, and {report} for figures of its own; see `peer`."""
    with tempfile.TemporaryDirectory(dir=scratch_folder(), prefix="bench-") as folder:
        report = Path(folder, "report.json")
        places = {**places, "{report}": str(report)}
        figures = _measured([_filled(word, places) for word in words], os.environ)
        return _reported(report) if report.exists() else figures


def _build_with_buildah(job: Job) -> Figures:
    with tempfile.TemporaryDirectory(dir=scratch_folder(), prefix="bench-") as folder:
        tool = buildah(Path(folder), job.mirror)
        image = ["--tag=built", f"--file={job.workload.dockerfile}", str(job.workload.context)]
        built = _measured([*tool.command, "bud", *_BUILD_OPTIONS, *image], tool.environment)
        push = ["push", "--tls-verify=false", "localhost/built", f"docker://{job.destination}"]
        pushed = _measured([*tool.command, *push], tool.environment)
    return Figures(built.wall + pushed.wall, built.cpu + pushed.cpu, max(built.peak, pushed.peak))


def _filled(word: str, places: Mapping[str, str]) -> str:
    for name, value in places.items():
        word = word.replace(name, value)
    return word


def _measured(command: Sequence[str], environment: Mapping[str, str]) -> Figures:
    """Run a program; raises `RuntimeError` with the end of its output if it fails."""
    with tempfile.TemporaryFile() as log:
        started = time.monotonic()
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/"
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            log.seek(0)
            sys.stderr.write(log.read()[-4000:].decode(errors="replace"))
            raise RuntimeError(f"{command[0]} failed with exit code {process.returncode}; see above")
    return Figures(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def _reported(report: Path) -> Figures:
    known = json.loads(report.read_text())
    return Figures(known["wall_seconds"], known["cpu_seconds"], known["peak_rss_bytes"])
