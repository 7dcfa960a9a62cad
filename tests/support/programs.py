"""Programs in Go that tests/setup compiles from tests/go."""

import hashlib
import os
from pathlib import Path

from support.folders import cache_folder

_SOURCES = Path(__file__).parents[1] / "go"


def program(name: str) -> str:
    """Return the path of a program, "" where it is not compiled (see tests/cluster/lib/programs.sh)."""
    pins = hashlib.sha256()
    for file in ("go.mod", "go.sum", "tools.go"):
        pins.update((_SOURCES / name / file).read_bytes())
    path = cache_folder() / "programs" / f"{name}-{pins.hexdigest()[:12]}" / name
    return str(path) if os.access(path, os.X_OK) else ""
