"""The command `tests/bases`: makes what is not there yet, then pushes."""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from support.bases import busybox, debian, layout
from support.folders import cache_folder, locked, scratch_folder


@dataclass(frozen=True, slots=True)
class Base:
    """A base image: its name, what makes it (into a layout, with a work folder), seconds that this takes."""

    name: str
    make: Callable[[Path, Path], None]
    seconds: int


@dataclass(frozen=True, slots=True)
class Store:
    """Base images in the cache; the folder's name tells what they were made by."""

    folder: Path
    created: str

    def layout(self, name: str) -> Path:
        """Return the layout of the image; it is there once the image is made."""
        return self.folder / name.replace("/", "-").replace(":", "-")

    def bases(self) -> list[list[Base]]:
        """Return the base images in groups: those of a group can be made side by side."""
        return [
            [
                Base("debian:bookworm", self._debian("bookworm", slim=False), 45),
                Base("debian:trixie-slim", self._debian("trixie", slim=True), 45),
                Base("busybox:latest", lambda into, _: busybox.make(into, self.created), 1),
            ],
            [Base("nginx:1.19.5", self._make_nginx, 15)],
        ]

    def _debian(self, suite: str, *, slim: bool) -> Callable[[Path, Path], None]:
        packages = self.folder / f"packages-{suite}"
        return lambda into, work: debian.make(
            into, self.created, suite=suite, slim=slim, cache=packages, work=work
        )

    def _make_nginx(self, into: Path, work: Path) -> None:
        debian.make_nginx(into, self.created, base=self.layout("debian:bookworm"), work=work)


def main(arguments: Sequence[str]) -> int:
    """Run the command; returns its exit code."""
    match arguments:
        case ["make"]:
            made()
            return 0
        case ["push", registry]:
            push(registry)
            return 0
        case _:
            print("usage: tests/bases make | push HOST:PORT", file=sys.stderr)
            return 2


def push(registry: str) -> None:
    """Push the base images to the plain-HTTP registry at HOST:PORT, made first where they are missing."""
    store = made()
    names = [base.name for group in store.bases() for base in group]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda name: _push(store.layout(name), f"{registry}/library/{name}"), names))


def made() -> Store:
    """Return the store with all base images in it."""
    folder = cache_folder() / "bases"
    folder.mkdir(exist_ok=True)
    store = Store(folder / _key(), time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
    with locked(folder / "lock"):
        store.folder.mkdir(exist_ok=True)
        _drop(store.folder.glob("part-*"))
        for group in store.bases():
            missing = [base for base in group if not store.layout(base.name).exists()]
            with ThreadPoolExecutor(2) as pool:
                list(pool.map(lambda base: _make(store, base), missing))
        _drop(other for other in folder.iterdir() if other.is_dir() and other != store.folder)
    return store


def _make(store: Store, base: Base) -> None:
    _say(f"making {base.name}, about {base.seconds} s")
    start = time.monotonic()
    with (
        tempfile.TemporaryDirectory(dir=scratch_folder(), prefix="base-") as work,
        tempfile.TemporaryDirectory(dir=store.folder, prefix="part-") as part,
    ):
        image = Path(part, "image")
        image.mkdir()
        base.make(image, Path(work))
        # Only what is complete has its name: an interrupted run is taken up where it stood.
        image.rename(store.layout(base.name))
    _say(f"made {base.name} in {time.monotonic() - start:.0f} s")


def _push(image: Path, destination: str) -> None:
    skopeo = ["skopeo", "copy", "--quiet", "--dest-tls-verify=false"]
    subprocess.run([*skopeo, f"oci:{image}", f"docker://{destination}"], check=True)


def _key() -> str:
    """Return a name for what the images are made by: the recipes, the mirrors, the architecture, busybox."""
    parts = [Path(str(module.__file__)).read_bytes() for module in (busybox, debian, layout)]
    parts += [repr(debian.mirrors("bookworm")).encode(), os.uname().machine.encode()]
    parts += [Path(shutil.which("busybox") or "/dev/null").read_bytes()]
    return hashlib.sha256(b"\0".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()[:16]


def _drop(folders: Iterable[Path]) -> None:
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def _say(text: str) -> None:
    print(f"bases: {text}", file=sys.stderr, flush=True)
