"""`tests/pod` for tests."""

import json
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from support.pod.bundle import Bind
from support.pod.images import RECIPES, built
from support.pod.mirror import running
from support.pod.run import Report

COMMAND = Path(__file__).resolve().parents[2] / "pod"


@dataclass(frozen=True, slots=True)
class PodResult:
    """What came of a pod; `output` is what it wrote to standard output and error, in that order of time.

    `report` is None where the pod could not be started.
    """

    exit_code: int
    output: str
    report: Report | None


def run_pod(
    arguments: Sequence[str],
    *,
    binds: Sequence[Bind] = (),
    env: Mapping[str, str] | None = None,
    image: str = "executor",
    entrypoint: str = "",
    mirror: bool = True,
    memory: int | None = None,
    kind: str = "baseline",
    root: str = "",
    stdin: str = "",
    timeout: float = 300,
) -> PodResult:
    """Run a pod with these arguments of the executor, or of `entrypoint`, and wait for it.

    `image` is executor, debug or the folder of an OCI layout; `memory` is in bytes, `timeout` in seconds;
    with `root`, an image of the mirror, the container is that one's and has the runtime alone of `image`;
    `kind` is one of `support.pod.kinds`; with `mirror`, docker.io is the registry with the base images.
    Raises `subprocess.TimeoutExpired`.
    """
    # Made here, so that nothing is said about it in the output.
    layout = built(image) if image in RECIPES else image
    if mirror:
        running()
    options = [f"--kind={kind}", *(f"--bind={bind}" for bind in binds)]
    options += [f"--env={name}={value}" for name, value in (env or {}).items()]
    options += [f"--entrypoint={entrypoint}"] if entrypoint else []
    options += [f"--root={root}"] if root else []
    options += [] if mirror else ["--no-mirror"]
    options += [] if memory is None else [f"--memory={memory}"]
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        done = subprocess.run(
            [COMMAND, f"--image={layout}", f"--report={report}", *options, "--", *arguments],
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=timeout,
            check=False,
        )
        known = Report(**json.loads(report.read_text())) if report.exists() else None
    return PodResult(done.returncode, done.stdout, known)
