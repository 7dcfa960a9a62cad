"""Paths inside a root, resolved without ever leaving it.

In-root paths are text: absolute, normalised, without a trailing slash, bytes that are not UTF-8 by surrogate
escapes (as os.fsdecode gives them).
"""

import errno
import os
import posixpath
from collections.abc import Callable, Iterator
from pathlib import Path

# As many as containerd follows; Linux itself gives up after 40 in one path.
_MAX_LINKS = 255
# No path that the kernel takes has half as many names; links could make it as many as they like.
_MAX_NAMES = 5000
_NO_LINK = frozenset({errno.EINVAL, errno.ENOENT, errno.ENOTDIR})

ReadLink = Callable[[str], str | None]
"""Tells the target of the link at an in-root path, None where there is no link."""


def normalise(path: str) -> str:
    """Return a path as an in-root path: absolute, `.` and `..` taken out, never above the root."""
    return posixpath.normpath("/" + path.lstrip("/"))


def parents(path: str) -> Iterator[str]:
    """Yield the directories above an in-root path, the root last; none above the root."""
    while path != "/":
        path = path.rpartition("/")[0] or "/"
        yield path


def follow(path: str, read_link: ReadLink) -> str:
    """Return the in-root path that `path` leads to, with every link resolved as if the root were `/`.

    What does not exist is taken as it is named. `..` stops at the root, absolute links start there.

    Raises OSError (ELOOP) if more than 255 links are on the way, or 5,000 names.
    """
    ahead = _names(path)
    resolved: list[str] = []
    links = names = 0
    while ahead:
        name = ahead.pop()
        names += 1
        if name == "..":
            del resolved[-1:]
            continue
        resolved.append(name)
        target = read_link("/" + "/".join(resolved))
        if target is None:
            continue
        links += 1
        if links > _MAX_LINKS or names > _MAX_NAMES:
            raise OSError(errno.ELOOP, "too many links", path)
        resolved = [] if target.startswith("/") else resolved[:-1]
        ahead += _names(target)
    return "/" + "/".join(resolved)


def resolve(root: Path, path: str) -> str:
    """Follow a path in the tree at `root`, as `follow` does."""
    prefix = str(root).rstrip("/")
    return follow(path, lambda inner: link_target(prefix + inner))


def link_target(host: str) -> str | None:
    """Return what the link at a path of the file system says, None where there is no link."""
    try:
        return os.readlink(host)
    except OSError as error:
        if error.errno in _NO_LINK:
            return None
        raise


def _names(path: str) -> list[str]:
    """Split a path into names, the first one last, so that they can be popped."""
    return [name for name in reversed(path.split("/")) if name not in ("", ".")]
