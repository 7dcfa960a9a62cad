"""What an overlay tells of its layers (Linux' overlayfs)."""

import os

from yadokari_builder.rootfs.mounts import devices_of

MERGED_LINKS = 1
"""How many links a directory has that several layers have (ovl_getattr); else it mostly has two or more."""

_PROBE = ".yadokari-probe"


def merges_show(top: str) -> bool:
    """Tell whether links of directories below `top` show which are of several layers.

    A directory is made there for a moment: on some file systems (btrfs) one of the uppermost layer alone has
    one link, too. False where there is no overlay, or nothing can be made.
    """
    if os.stat(top).st_dev not in devices_of(("overlay ",)):
        return False
    probe = os.path.join(top, _PROBE)
    try:
        os.mkdir(probe)
    except OSError:
        return False
    try:
        return os.lstat(probe).st_nlink != MERGED_LINKS
    finally:
        os.rmdir(probe)
