"""Extended attributes that belong to an image."""

import errno
import os
from collections.abc import Iterator

# Of the file system or of this machine's policy, not of the image's content.
_FOREIGN = ("trusted.", "security.selinux", "security.ima", "security.evm", "user.overlay.")
_CAPABILITY = "security.capability"
_VERSION_2_BYTES = 20
_VERSION_3_BYTES = 24
_UNSUPPORTED = frozenset({errno.ENOTSUP, errno.EPERM, errno.EACCES, errno.EINVAL, errno.E2BIG, errno.ENOSPC})


def is_foreign(name: str) -> bool:
    """Tell whether an attribute is the host's and never of a layer."""
    return name.startswith(_FOREIGN)


def read_xattrs(path: str | int) -> dict[str, bytes]:
    """Return a file's own attributes by name; links are not followed."""
    names = list_xattrs(path)
    if not names:
        return {}
    follow = isinstance(path, int)
    return {name: of_image(name, os.getxattr(path, name, follow_symlinks=follow)) for name in sorted(names)}


def of_image(name: str, value: bytes) -> bytes:
    """Return an attribute's value as images have it.

    Capabilities of version 3 name the user namespace that they count in (capabilities(7)): on another machine
    there is none, so those of version 2 take their place, which count wherever the image's root is root.
    """
    if name != _CAPABILITY or len(value) != _VERSION_3_BYTES or value[3] != 3:
        return value
    return value[:3] + b"\2" + value[4:_VERSION_2_BYTES]


def list_xattrs(path: str | int) -> list[str]:
    """Return the names of a file's own attributes; none where the file system has none."""
    try:
        names = os.listxattr(path, follow_symlinks=isinstance(path, int))
    except OSError as error:
        if error.errno == errno.ENOTSUP:
            return []
        raise
    return [name for name in names if not name.startswith(_FOREIGN)] if names else names


def set_xattr(path: str | int, name: str, value: bytes) -> bool:
    """Set an attribute, or return False if the kernel does not let us."""
    try:
        os.setxattr(path, name, value, follow_symlinks=isinstance(path, int))
    except OSError as error:
        if error.errno in _UNSUPPORTED:
            return False
        raise
    return True


def copy_xattrs(source: str | int, target: str | int) -> Iterator[str]:
    """Copy extended attributes between two open files or paths (whose links are not followed).

    Yields those that the target's file system does not take, which are left out, as in BuildKit.
    """
    for name in list_xattrs(source):
        value = of_image(name, os.getxattr(source, name, follow_symlinks=isinstance(source, int)))
        if not set_xattr(target, name, value):
            yield name
