"""Operations on the files of a tree, as data: what random scripts are made of.

Needs nothing but the standard library, since steps of builds run it as a program of its own too.
"""

import json
import os
import shutil
import stat
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

Operation = Sequence[Any]
"""The name of a function below, a path in the tree, and the function's other arguments."""


def write(path: Path, content: str) -> None:
    """Write a file; bytes of the content are characters up to 255."""
    # A fifo that nobody reads would be waited for.
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NONBLOCK, 0o644)
    with open(file, "wb") as stream:
        stream.write(content.encode("latin-1"))


def rewrite(path: Path) -> None:
    """Put other content of the same size into a file, and set its time back."""
    status = path.lstat()
    if stat.S_ISREG(status.st_mode):
        path.write_bytes(bytes(byte ^ 1 for byte in path.read_bytes()))
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def leave(path: Path) -> None:
    """Set owner and mode to what they are."""
    status = path.lstat()
    os.chown(path, status.st_uid, status.st_gid, follow_symlinks=False)
    if not path.is_symlink():
        path.chmod(stat.S_IMODE(status.st_mode))


def lengthen(path: Path, size: int) -> None:
    """Make a file end with a hole."""
    if stat.S_ISREG(path.lstat().st_mode):
        os.truncate(path, size)


def append(path: Path, content: str) -> None:
    """Write to the end of a file that is there."""
    with path.open("r+b") as file:
        file.seek(0, os.SEEK_END)
        file.write(content.encode("latin-1"))


def remove(path: Path) -> None:
    """Remove a file, or a folder with what is in it."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def make_anew(path: Path) -> None:
    """Replace what is there by an empty folder."""
    old = path.with_name("old")
    path.rename(old)
    path.mkdir()
    remove(old)


def rename(path: Path, new: Path) -> None:
    """Give a file another name."""
    path.rename(new)


def hard_link(path: Path, new: Path) -> None:
    """Give a file one more name."""
    os.link(path, new, follow_symlinks=False)


def make_folder(path: Path) -> None:
    """Make a folder."""
    path.mkdir()


def link(path: Path, target: str) -> None:
    """Make a link."""
    path.symlink_to(target)


def make_fifo(path: Path) -> None:
    """Make a fifo."""
    os.mkfifo(path, 0o640)


def make_device(path: Path) -> None:
    """Make a device, as /dev/null is one."""
    os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 3))


def change_mode(path: Path, mode: int) -> None:
    """Set the mode of what is no link."""
    if not path.is_symlink():
        path.chmod(mode)


def change_owner(path: Path, uid: int, gid: int) -> None:
    """Set the owner, of a link itself."""
    os.chown(path, uid, gid, follow_symlinks=False)


def set_time(path: Path, nanoseconds: int) -> None:
    """Set the time of the last change, of a link itself."""
    os.utime(path, ns=(nanoseconds, nanoseconds), follow_symlinks=False)


def set_attribute(path: Path, name: str, value: str) -> None:
    """Set an extended attribute of what is no link."""
    if not path.is_symlink():
        os.setxattr(path, name, value.encode("latin-1"))


def remove_attributes(path: Path) -> None:
    """Remove all extended attributes."""
    for name in os.listxattr(path, follow_symlinks=False):
        os.removexattr(path, name, follow_symlinks=False)


_FUNCTIONS: dict[str, Callable[..., None]] = {
    function.__name__: function
    for function in (
        write, append, rewrite, lengthen, leave, remove, make_anew, rename, hard_link, make_folder, link,
        make_fifo, make_device, change_mode, change_owner, set_time, set_attribute, remove_attributes,
    )
}  # fmt: skip
_MAKING = {"write", "make_folder", "link", "make_fifo", "make_device"}
_NAMING = {"rename", "hard_link"}


def perform(root: Path, step: Sequence[Operation]) -> None:
    """Do what can be done of a step."""
    for name, path, *arguments in step:
        try:
            if name in _MAKING:
                (root / path).parent.mkdir(parents=True, exist_ok=True)
            if name in _NAMING:
                arguments = [root / argument for argument in arguments]
            _FUNCTIONS[name](root / path, *arguments)
        except OSError:
            continue


if __name__ == "__main__":
    perform(Path(sys.argv[1]), json.loads(sys.argv[2]))
