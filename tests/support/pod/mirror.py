"""A registry on the loopback interface that serves the base images; it stays until it is taken down."""

import hashlib
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from support.folders import locked, remove_tree, scratch_folder

_BASES = Path(__file__).resolve().parents[1] / "bases"
_CONFIG = """\
version: 0.1
log: {{level: warn}}
storage:
  filesystem: {{rootdirectory: {data}}}
  delete: {{enabled: true}}
http:
  addr: {address}
"""


def running() -> str:
    """Return HOST:PORT of the registry, which is started and given the base images where need be."""
    folder = _folder()
    address = _address(folder)
    if address is None:
        with locked(folder / "lock"):
            address = _address(folder) or _start(folder)
    return address


def digest(image: str) -> str:
    """Return the digest of an image of the registry."""
    name = f"docker://{running()}/{image}"
    inspect = ["skopeo", "inspect", "--tls-verify=false", "--format={{.Digest}}", name]
    return subprocess.run(inspect, check=True, capture_output=True, text=True).stdout.strip()


def layout(image: str) -> Path:
    """Return an OCI layout with an image of the registry, NAME:TAG or REPOSITORY@DIGEST, for the machine."""
    name = f"docker://{running()}/{image}"
    folder = scratch_folder() / "layouts"
    folder.mkdir(exist_ok=True)
    made = folder / digest(image).removeprefix("sha256:")[:16]
    with locked(folder / "lock"):
        if not made.exists():
            part = made.with_name(f"part-{made.name}")
            remove_tree(part)
            skopeo = ["skopeo", "copy", "--quiet", "--src-tls-verify=false", name, f"oci:{part}"]
            subprocess.run(skopeo, check=True)
            part.rename(made)
    return made


def down() -> None:
    """Stop the registry and delete what is in it."""
    folder = _folder()
    with locked(folder / "lock"):
        if (pid := _pid(folder)) is not None:
            os.kill(pid, signal.SIGTERM)
            while _pid(folder) is not None:
                time.sleep(0.02)
        shutil.rmtree(folder)


def _folder() -> Path:
    folder = scratch_folder() / "mirror"
    folder.mkdir(exist_ok=True)
    return folder


def _address(folder: Path) -> str | None:
    """Return the address of a registry that runs and holds the base images as they are made now."""
    try:
        recipes, address = (folder / "address").read_text().split()
    except (FileNotFoundError, ValueError):
        return None
    return address if recipes == _recipes() and _pid(folder) is not None else None


def _recipes() -> str:
    """Return a name for the code that makes the base images."""
    total = hashlib.sha256()
    for path in sorted(_BASES.glob("*.py")):
        total.update(path.read_bytes())
    return total.hexdigest()


def _pid(folder: Path) -> int | None:
    try:
        pid = int((folder / "pid").read_text())
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError, ValueError):
        return None
    # A pid may by now be another program's.
    return pid if str(folder / "config.yml").encode() in command else None


def _start(folder: Path) -> str:
    # Not needed where the registry runs already, which is to be quick.
    from support.bases.command import push

    (folder / "address").unlink(missing_ok=True)
    if _pid(folder) is None:
        _spawn(folder, f"127.0.0.1:{_free_port()}")
    address = (folder / "listens").read_text()
    push(address)
    # Written last: whoever finds it finds the images as well.
    (folder / "address").write_text(f"{_recipes()} {address}")
    return address


def _spawn(folder: Path, address: str) -> None:
    config = folder / "config.yml"
    config.write_text(_CONFIG.format(data=folder / "data", address=address))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            ["docker-registry", "serve", str(config)],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", start_new_session=True,
        )  # fmt: skip
    (folder / "pid").write_text(str(process.pid))
    (folder / "listens").write_text(address)
    _await(address, process)
    process.returncode = 0  # it outlives us: nobody is to wait for it


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _await(address: str, process: "subprocess.Popen[bytes]") -> None:
    host, port = address.split(":")
    while process.poll() is None:
        try:
            socket.create_connection((host, int(port)), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"the registry ended with exit code {process.returncode} before it answered")
