"""Paths inside a root, resolved without ever leaving it."""

import errno
import os
import posixpath
from pathlib import Path

# As many as containerd follows; Linux itself gives up after 40 in one path.
_MAX_LINKS = 255


def normalise(path: str) -> str:
    """Return a path as an in-root path: absolute, `.` and `..` taken out, never above the root."""
    return posixpath.normpath("/" + path.lstrip("/"))


def resolve(root: Path, path: str, *, follow_last: bool = True) -> str:
    """Return the in-root path that `path` leads to, with every link resolved as if `root` were `/`.

    What does not exist is taken as it is named. `..` stops at the root, absolute links start there.
    With `follow_last` off a link in the last place stays one.

    Raises OSError (ELOOP) if more than 255 links are on the way.
    """
    prefix = str(root).rstrip("/")
    ahead = _components(path)
    resolved: list[str] = []
    links = 0
    while ahead:
        name = ahead.pop()
        if name == "..":
            del resolved[-1:]
            continue
        resolved.append(name)
        if not ahead and not follow_last:
            break
        target = _link_target("/".join([prefix, *resolved]))
        if target is None:
            continue
        links += 1
        if links > _MAX_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
        resolved = [] if target.startswith("/") else resolved[:-1]
        ahead += _components(target)
    return "/" + "/".join(resolved)


def _components(path: str) -> list[str]:
    """Split a path into names, the first one last, so that they can be popped."""
    return [name for name in reversed(path.split("/")) if name not in ("", ".")]


def _link_target(path: str) -> str | None:
    try:
        return os.readlink(path)
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.ENOENT, errno.ENOTDIR):
            return None
        raise
