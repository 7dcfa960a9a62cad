"""A case, built by the executor image in a pod of its own."""

import shutil
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from support.cases.case import Case
from support.cases.servers import listening, serving
from support.git import make_repository, smart_http
from support.layout import Layout
from support.pod import Bind, PodResult, run_pod
from support.pod.mirror import running


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a build; `root` holds the image's files, where there is one."""

    exit_code: int
    log: str
    layout: Layout
    root: Path


def build(case: Case, work: Path, kind: str = "baseline") -> Outcome:
    """Lay a case out below `work`, build it in a pod of a kind (support.pod.kinds), unpack what was built."""
    context = work / "ctx"
    case.lay_out(context)
    dockerfile = context / case.spec.get("dockerfile", "Dockerfile")
    if not dockerfile.exists():
        dockerfile.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(case.folder / "Dockerfile", dockerfile)
    arguments = [f"--dockerfile={dockerfile}", "--no-push", f"--oci-layout-path={work}/oci"]
    arguments += _arguments(case, work)
    if "base" in case.spec:
        arguments.append(f"--build-arg=BASE={_push_base(case, work, kind)}")
    with ExitStack() as stack:
        if case.spec.get("agent"):
            stack.enter_context(listening(work / "agent.sock"))
        if case.spec.get("serve"):
            arguments.append(f"--build-arg=SITE={stack.enter_context(serving(context))}")
        if case.spec.get("git"):
            make_repository(context / "repository.git")
            arguments.append(f"--build-arg=GIT={stack.enter_context(smart_http(context))}")
        result = _run(case, work, arguments, kind)
    layout, root = Layout(work / "oci"), work / "image"
    if result.exit_code == 0 and not case.fails:
        unpack(layout, root)
    return Outcome(result.exit_code, result.output, layout, root / "rootfs")


def unpack(layout: Layout, folder: Path) -> None:
    """Unpack an image with every owner, mode and time."""
    layout.name("case")
    command = ["umoci", "unpack", "--image", f"{layout.folder}:case", str(folder)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)


def _arguments(case: Case, work: Path) -> list[str]:
    places = {"work": str(work), "ctx": str(work / "ctx")}
    arguments = [argument.format(**places) for argument in case.spec.get("arguments", ())]
    arguments += [f"--build-arg={name}={value}" for name, value in case.spec.get("build_args", {}).items()]
    if "target" in case.spec:
        arguments.append(f"--target={case.spec['target']}")
    return arguments


def _push_base(case: Case, work: Path, kind: str) -> str:
    name = f"{running()}/cases/{case.name}:base"
    arguments = [f"--dockerfile={work}/ctx/{case.spec['base']}", f"--destination={name}"]
    result = _run(case, work, arguments, kind)
    assert result.exit_code == 0, result.output
    return name


def _run(case: Case, work: Path, arguments: Sequence[str], kind: str) -> PodResult:
    return run_pod(
        [f"--context=dir://{work}/ctx", *arguments],
        binds=[Bind(str(work), writable=True)],
        env=case.spec.get("environment", {}),
        kind=kind,
    )
