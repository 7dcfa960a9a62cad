"""Extended attributes of files, copied."""

import logging
import os

from yadokari_builder.layers.xattrs import list_xattrs, set_xattr

logger = logging.getLogger(__name__)


def copy_xattrs(source: str | int, target: str | int) -> None:
    """Copy extended attributes between two open files or paths (whose links are not followed).

    Those that the target's file system does not take are left out, as in BuildKit.
    """
    for name in list_xattrs(source):
        value = os.getxattr(source, name, follow_symlinks=isinstance(source, int))
        if not set_xattr(target, name, value):
            logger.warning("an extended attribute cannot be kept and is left out: %s", name)
