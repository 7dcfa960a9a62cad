"""The executor's own files, which may be on a mount that steps cannot write."""

import os
from pathlib import Path

from yadokari_contract.runtime import HOME


def is_writable(root: Path) -> bool:
    """Tell whether steps can write the runtime in a root: it is not on a mount that is read-only."""
    try:
        return not os.statvfs(os.path.join(root, HOME.lstrip("/"))).f_flag & os.ST_RDONLY
    except FileNotFoundError:
        return False
