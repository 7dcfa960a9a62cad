"""Where things are in the finished runtime."""

import sys
from pathlib import Path

HOME = Path("/yadokari")
LIBRARIES = HOME / "lib"
SETTINGS = HOME / "e"
"""Named as shortly as can be: its paths take the place of shorter ones like /etc/gai.conf."""


def library_folder(tree: Path) -> Path:
    """Return the folder below `tree` of the running Python's standard library, and of all other packages."""
    major, minor = sys.version_info[:2]
    return tree / LIBRARIES.relative_to("/") / f"python{major}.{minor}"
