"""What the files of a tree hold, as a build knows it from layers."""

import os
import stat
from pathlib import Path

from support.trees import names_below
from yadokari_builder.layers.fingerprints import Fingerprints, checksum_of_file


def fingerprints_of(root: Path) -> Fingerprints:
    """Take the checksums of all files of a tree."""
    fingerprints = Fingerprints()
    for name in names_below(root):
        if stat.S_ISREG(os.lstat(root / name).st_mode):
            fingerprints.add(f"/{name}", checksum_of_file(str(root / name)))
    return fingerprints
