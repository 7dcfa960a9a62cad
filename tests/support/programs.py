"""Programs that tests/setup makes ready, by tests/cluster/lib/programs.sh: those of tests/go, and azurite."""

import hashlib
import os
import re
import shutil
import sys
from pathlib import Path

from support.folders import cache_folder

_TESTS = Path(__file__).parents[1]


def program(name: str) -> str:
    """Return the path of a program in Go, "" where it is not compiled."""
    sources = _TESTS / "go" / name
    code = sorted(it.name for it in sources.glob("*.go"))
    path = _folder(name, sources, "go.mod", "go.sum", *code) / name
    return str(path) if os.access(path, os.X_OK) else ""


def azurite() -> list[str]:
    """Return the command that runs azurite's blobs, an empty one where it is not installed."""
    node = shutil.which("node") or shutil.which("node", path=Path(sys.executable).parent)
    folder = _folder("azurite", _TESTS / "npm/azurite", "package.json", "package-lock.json")
    script = folder / "node_modules/azurite/dist/src/blob/main.js"
    return [node, str(script)] if node and script.exists() else []


def flux_definitions() -> Path:
    """Return the folder with the definitions of Flux's sources; setup makes it."""
    pins = (_TESTS / "cluster/lib/programs.sh").read_text()
    version = re.search("^FLUX_MODULE=.*@(.*)$", pins, re.MULTILINE)
    assert version
    return cache_folder() / "programs" / f"flux-{version[1]}"


def _folder(name: str, sources: Path, *files: str) -> Path:
    pins = hashlib.sha256(b"".join((sources / file).read_bytes() for file in files))
    return cache_folder() / "programs" / f"{name}-{pins.hexdigest()[:12]}"
