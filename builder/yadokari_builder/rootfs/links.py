"""Links, followed inside a view of a tree that is less, or more, than a folder of the file system."""

import errno
import os
from collections.abc import Callable

from yadokari_builder.errors import ContextError

# As many as containerd follows.
_MAX_LINKS = 255
_NO_LINK = frozenset({errno.EINVAL, errno.ENOENT, errno.ENOTDIR})

ReadLink = Callable[[str], str | None]


def follow(path: str, read_link: ReadLink) -> str:
    """Return where `path` leads to, every link resolved as if the tree's root were `/`.

    `read_link` returns the target of an in-root path, None where there is no link. What does not exist is
    taken as it is named; `..` stops at the root. Raises ContextError if links lead in a circle.
    """
    ahead = _names(path)
    resolved: list[str] = []
    links = 0
    while ahead:
        name = ahead.pop()
        if name == "..":
            del resolved[-1:]
            continue
        resolved.append(name)
        target = read_link("/" + "/".join(resolved))
        if target is None:
            continue
        links += 1
        if links > _MAX_LINKS:
            raise ContextError(f"{path}: too many links")
        resolved = [] if target.startswith("/") else resolved[:-1]
        ahead += _names(target)
    return "/" + "/".join(resolved)


def link_target(host: str) -> str | None:
    """Return what the link at a path of the file system says, None where there is no link."""
    try:
        return os.readlink(host)
    except OSError as error:
        if error.errno in _NO_LINK:
            return None
        raise


def _names(path: str) -> list[str]:
    """Split a path into names, the first one last."""
    return [name for name in reversed(path.split("/")) if name not in ("", ".")]
