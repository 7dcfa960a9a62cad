"""Extended attributes of files, copied."""

import os
from collections.abc import Iterator

from yadokari_builder.rootfs.xattrs import list_xattrs, set_xattr


def copy_xattrs(source: str | int, target: str | int) -> Iterator[str]:
    """Copy extended attributes between two open files or paths (whose links are not followed).

    Yields those that the target's file system does not take, which are left out, as in BuildKit.
    """
    for name in list_xattrs(source):
        value = os.getxattr(source, name, follow_symlinks=isinstance(source, int))
        if not set_xattr(target, name, value):
            yield name
