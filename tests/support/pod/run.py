"""Runs an image as a pod would be run, by runc, and measures it."""

import json
import os
import resource
import shlex
import shutil
import signal
import subprocess
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path

from support.pod import cgroups
from support.pod.bundle import OWN_FILES, Bind, Process, configuration
from support.pod.kinds import KINDS, Kind
from support.pod.own_users import Places, owned
from support.pod.place import place, runtime
from support.pod.roots import VOLUMES, Unpacked, unpacked
from support.pod.roots import runtime as runtime_of
from support.pod.usage import watch

# The overlay is mounted where nobody else sees it: it goes when the last process goes, however that ends.
_START = 'eval "$1"; mount -t overlay overlay -o "$2" "$3"; shift 3; exec "$@"'
_OVERLAY_OPTIONS = "index=off,metacopy=off,redirect_dir=off"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """A pod to run: `image` is an OCI layout, `memory` a limit in bytes.

    With `root`, another layout, the container is that image's: of `image` it has /yadokari, read-only.
    """

    image: Path
    arguments: Sequence[str]
    binds: Sequence[Bind] = ()
    environment: dict[str, str] = field(default_factory=dict)
    entrypoint: Sequence[str] = ()
    memory: int | None = None
    kind: Kind = KINDS["baseline"]
    root: Path | None = None
    keep: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """What the container used.

    `peak_rss_bytes` is that of its first process, the executor; `peak_rss_of_any_bytes` is the largest of any
    process in it: see `usage`. CPU seconds are those of all its processes, from the cgroup; runc's own until
    the executor starts, some 20 ms, are in them.
    """

    exit_code: int
    wall_seconds: float
    cpu_seconds: float
    peak_rss_bytes: int
    peak_rss_of_any_bytes: int


def run(pod: Pod) -> tuple[Report, Path]:
    """Run the pod with our own standard streams; returns what it used, and its folder where that is kept.

    Folders of writable binds are made where they are missing; any other raises `FileNotFoundError`.
    """
    _check(pod.binds)
    image = unpacked(pod.image)
    environment = unpacked(pod.root).environment if pod.root else image.environment
    with place(keep=pod.keep) as (folder, lock):
        root = _prepare(folder)
        process = Process(
            arguments=[*(pod.entrypoint or image.entrypoint), *pod.arguments],
            environment=environment | pod.environment,
            folder=_working_folder(pod.binds),
        )
        files = _places(pod, image, folder)
        with owned(folder, files.lower, files.binds) if pod.kind.own_users else nullcontext(files) as files:
            config = configuration(
                process,
                pod.kind,
                root=root,
                own_files=folder,
                binds=files.binds,
                cgroup=f"/{folder.name}/pod",
                memory=pod.memory,
            )
            (folder / "config.json").write_text(json.dumps(config))
            report = _run(folder, files, lock)
    return report, folder.with_name(f"kept-{folder.name}")


def _places(pod: Pod, image: Unpacked, folder: Path) -> Places:
    if pod.root is None:
        return Places(image.folders, pod.binds)
    volumes = [Bind(str(folder / f"volume-{name}"), f"/yadokari/{name}", writable=True) for name in VOLUMES]
    for volume in volumes:
        os.mkdir(volume.path)
        # As the kubelet makes folders of an emptyDir.
        os.chmod(volume.path, 0o750)
    own = Bind(str(runtime_of(image.folders)), "/yadokari")
    return Places(unpacked(pod.root).folders, [own, *volumes, *pod.binds])


def _run(folder: Path, files: Places, lock: int) -> Report:
    overlay = ",".join(
        [
            f"lowerdir={':'.join(map(str, files.lower))}",
            f"upperdir={folder / 'upper'}",
            f"workdir={folder / 'work'}",
            _OVERLAY_OPTIONS,
        ]
    )
    pid_file = folder / "pid"
    command = [
        *("setpriv", "--pdeathsig", "TERM", "unshare", "--mount", "--propagation", "private"),
        *("sh", "-ec", _START, "sh", shlex.join(files.command), overlay, str(folder / "root")),
        *(*runtime(), "run"),
        *("--bundle", str(folder), "--pid-file", str(pid_file), folder.name),
    ]
    child = subprocess.Popen(command, pass_fds=[lock])
    # runc hands it on to the executor; what it ends with is what we end with.
    signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    usage = watch(pid_file, lambda: child.poll() is not None)
    exit_code = _wait(child)
    return Report(
        exit_code=exit_code,
        wall_seconds=round(usage.wall_seconds, 3),
        cpu_seconds=round(cgroups.cpu_seconds(folder.name), 3),
        peak_rss_bytes=usage.peak_rss_bytes,
        peak_rss_of_any_bytes=resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024,
    )


def _wait(child: "subprocess.Popen[bytes]") -> int:
    """Wait for runc, whatever interrupts us: the terminal interrupts it as well."""
    while True:
        with suppress(KeyboardInterrupt):
            code = child.wait()
            return code if code >= 0 else 128 - code


def _prepare(folder: Path) -> Path:
    for name in ("upper", "work", "root"):
        (folder / name).mkdir(mode=0o755)
    contents = {"hosts": "127.0.0.1\tlocalhost\n127.0.0.1\tpod\n", "hostname": "pod\n", "termination-log": ""}
    for path in map(Path, OWN_FILES):
        if path.name in contents:
            (folder / path.name).write_text(contents[path.name])
        else:
            shutil.copyfile(path, folder / path.name)
    return folder / "root"


def _check(binds: Sequence[Bind]) -> None:
    for bind in binds:
        if bind.writable and not os.path.lexists(bind.path):
            os.makedirs(bind.path)
        os.stat(bind.path)


def _working_folder(binds: Sequence[Bind]) -> str:
    """Return where the executor starts: where we are, if paths were given that mean something only there."""
    return "/" if all(os.path.isabs(bind.source) for bind in binds) else os.getcwd()
