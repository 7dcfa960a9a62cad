"""The executor's own files, which may be on a mount that steps cannot write."""

import os
from pathlib import Path

from yadokari_builder.build.lodging import RUNTIME

VOLUMES = ("work", "tmp", "input")
"""Folders of the runtime that builds write or are given files in: volumes where it is mounted read-only."""


def is_writable(root: Path) -> bool:
    """Tell whether steps can write the runtime in a root: it is not on a mount that is read-only."""
    try:
        return not os.statvfs(os.path.join(root, RUNTIME.lstrip("/"))).f_flag & os.ST_RDONLY
    except FileNotFoundError:
        return False
