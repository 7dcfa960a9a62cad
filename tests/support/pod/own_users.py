"""What a pod with a user namespace of its own needs beside: files that are its root's."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from support.folders import scratch_folder
from support.pod.bundle import FIRST_ID, OWN_FILES, Bind

_PROGRAM = Path(__file__).with_name("idmapped.py")


@dataclass(frozen=True, slots=True)
class Places:
    """The layers' folders and the binds as the pod is to find them; `command` mounts them there."""

    lower: Sequence[Path]
    binds: Sequence[Bind]
    command: Sequence[str] = field(default=("true",))


@contextmanager
def owned(folder: Path, lower: Sequence[Path], binds: Sequence[Bind]) -> Iterator[Places]:
    """Give the pod its files below `folder`, and have the rest mounted as its own."""
    scratch_folder().chmod(0o711)  # the pod's root is nobody on the way to its own folder
    for name in ("upper", "work", "root", *(Path(path).name for path in OWN_FILES)):
        os.chown(folder / name, FIRST_ID, FIRST_ID)
    sources = [*map(str, lower), *(bind.path for bind in binds)]
    targets = [_place(folder / "owned" / str(number), source) for number, source in enumerate(sources)]
    seen = [
        replace(bind, source=str(target), destination=bind.destination or bind.path)
        for bind, target in zip(binds, targets[len(lower) :], strict=True)
    ]
    with _users() as pid:
        pairs = [str(each) for pair in zip(sources, targets, strict=True) for each in pair]
        command = [sys.executable, "-ISB", str(_PROGRAM), str(pid), *pairs]
        yield Places(targets[: len(lower)], seen, command)


def _place(target: Path, source: str) -> Path:
    target.parent.mkdir(mode=0o755, exist_ok=True)
    if os.path.isdir(source):
        target.mkdir()
    else:
        target.touch()
    return target


@contextmanager
def _users() -> Iterator[int]:
    """Have a process in a user namespace with the pod's ids."""
    holder = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "unshare", "--user", "sleep", "infinity"])
    own = os.readlink("/proc/self/ns/user")
    while os.readlink(f"/proc/{holder.pid}/ns/user") == own:
        time.sleep(0.002)
    for kind in ("uid_map", "gid_map"):
        Path(f"/proc/{holder.pid}/{kind}").write_text(f"0 {FIRST_ID} 65536\n")
    try:
        yield holder.pid
    finally:
        holder.kill()
        holder.wait()
