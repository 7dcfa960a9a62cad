"""OCI layouts of base images that take a minute to make: made once and kept in the cache."""

import hashlib
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from support.folders import cache_folder, locked


def kept(name: str, recipe: bytes, what: str, make: Callable[[Path], None]) -> Path:
    """Return the layout `name` of a `recipe`; if there is none, `make` puts it into a folder as `image`."""
    folder = cache_folder() / "bench"
    folder.mkdir(exist_ok=True)
    layout = folder / f"{name}-{hashlib.sha256(recipe).hexdigest()[:16]}"
    with locked(folder / "lock"):
        if not layout.exists():
            print(f"bench: making {what}, about 60 s", file=sys.stderr, flush=True)
            with tempfile.TemporaryDirectory(dir=folder, prefix="part-") as part:
                make(Path(part))
                Path(part, "image").rename(layout)
    return layout
