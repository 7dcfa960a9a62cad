"""Putting a mount's content in the place of what stands at its target, and taking it away again.

Without privilege nothing can be mounted, so what stands at the target is renamed aside and the content
renamed into its place; afterwards both go back. A step's processes are gone by then, but what they did
to the directories on the way is not to be trusted: each is held open, and never looked up again by name.
"""

import errno
import os
import posixpath
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from yadokari_builder.errors import RunError
from yadokari_builder.rootfs import relocate
from yadokari_builder.rootfs.boundary import Boundary
from yadokari_builder.rootfs.paths import resolve
from yadokari_builder.rootfs.tree import discard
from yadokari_builder.run.devices import DEVICES

_REFUSED = 126


class Places:
    """The places in a root that the mounts of one step take; none is outside of the boundary.

    `stack` holds open what is needed until everything is taken away again.
    """

    def __init__(self, boundary: Boundary, stack: ExitStack) -> None:
        self._boundary = boundary
        self._root = boundary.root
        self._stack = stack
        self._watched: dict[str, _WatchedDirectory] = {}
        self._moved: set[str] = set()

    def state(self, target: str) -> os.stat_result | None:
        """Return the state of what stands at an in-root path now, if anything does.

        Raises `RunError` for a path that leads nowhere.
        """
        try:
            return os.lstat(self._boundary.host(resolve(self._root, target)))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise _refusal(target, error) from error

    @contextmanager
    def placed(self, content: str, target: str, aside: str) -> Iterator[str]:
        """Have the file or directory at the host path `content` stand at the in-root path `target`.

        Gives the path where it stands, links followed.

        In the end it is at `content` again, if the step did not delete it, and `target` and the directories
        above it are as they would be had nothing been placed. `aside` is a host path, free and in the
        root's filesystem, for what stood there.

        Raises `RunError` where nothing can be placed, and in the end where the step moved or linked the
        content away from its target.
        """
        path = resolve(self._root, target)
        if path == "/":
            raise RunError(f'invalid mount target "{target}"', status=_REFUSED)
        self._require_ours(path, target)
        with ExitStack() as taken_away:
            try:
                place = self._made_parents(taken_away, posixpath.dirname(path)) + posixpath.basename(path)
                taken_away.enter_context(self._set_aside(place, aside, path))
                taken_away.enter_context(_put_in_place(content, place, target))
            except OSError as error:
                raise _refusal(target, error) from error
            yield path

    def settle(self) -> None:
        """Take what was done so far out of the times of directories; call before the step runs."""
        for directory in self._watched.values():
            directory.settle()

    def note(self) -> None:
        """See what the step did to the directories; call when it has ended, before anything is taken away."""
        for directory in self._watched.values():
            directory.note()

    def restore(self) -> list[str]:
        """Take what was done since `note` out of the times of directories.

        Returns the in-root paths whose ctime, inode or times changed by the placing and not by the step.
        """
        for directory in self._watched.values():
            directory.restore()
        quiet = {path for path, directory in self._watched.items() if not directory.changed}
        return sorted(quiet | self._moved)

    def _require_ours(self, path: str, target: str) -> None:
        """Refuse a place at or below what is the executor's or mounted, whatever links lead there.

        Files in /dev are for each step anew, so that a mount among them is in nobody's way.
        """
        foreign = self._boundary.barrier(path)
        if foreign is None or (foreign == DEVICES and path != DEVICES):
            return
        where = target if path == target else f"{target}, which leads to {path}"
        raise RunError(
            f"cannot mount at {where}: {foreign} is the executor's own or mounted in the pod:"
            " choose another target",
            status=_REFUSED,
        )

    def _made_parents(self, taken_away: ExitStack, path: str) -> str:
        """Open a directory, made if need be and removed in the end; return how its entries' paths begin."""
        entries = self._watch(str(self._root), "/")
        walked = ""
        for name in filter(None, path.split("/")):
            walked = f"{walked}/{name}"
            if os.path.lexists(entries + name):
                entries = self._watch(entries + name, walked)
            else:
                taken_away.enter_context(_made_directory(entries + name))
                entries = _entries(_held(self._stack, entries + name))
        return entries

    def _watch(self, host_path: str, path: str) -> str:
        descriptor = _held(self._stack, host_path)
        self._watched.setdefault(path, _WatchedDirectory(descriptor))
        return _entries(descriptor)

    @contextmanager
    def _set_aside(self, place: str, aside: str, path: str) -> Iterator[None]:
        if not os.path.lexists(place):
            yield
            return
        self._moved.update(path + below for below in relocate.move(place, aside))
        try:
            yield
        finally:
            self._moved.update(path + below for below in relocate.move(aside, place))


class _WatchedDirectory:
    """Tells a step's changes of a directory from those made around the step."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._state = os.fstat(descriptor)
        self.changed = False

    def settle(self) -> None:
        self.restore()
        self._state = os.fstat(self._descriptor)

    def note(self) -> None:
        state = os.fstat(self._descriptor)
        self.changed = _without_access_time(state) != _without_access_time(self._state)
        self._state = state

    def restore(self) -> None:
        if os.fstat(self._descriptor).st_mtime_ns != self._state.st_mtime_ns:
            os.utime(self._descriptor, ns=(self._state.st_atime_ns, self._state.st_mtime_ns))


def _without_access_time(state: os.stat_result) -> tuple[int, ...]:
    return (state.st_mode, state.st_uid, state.st_gid, state.st_nlink, state.st_mtime_ns, state.st_ctime_ns)


def _held(stack: ExitStack, path: str) -> int:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    stack.callback(os.close, descriptor)
    return descriptor


def _entries(descriptor: int) -> str:
    """Return how the entries of an open directory begin: it is this one whatever became of its name."""
    return f"/proc/self/fd/{descriptor}/"


@contextmanager
def _made_directory(path: str) -> Iterator[None]:
    os.mkdir(path)
    os.chmod(path, 0o755)
    try:
        yield
    finally:
        try:
            os.rmdir(path)
        except OSError as error:
            # What a step put beside the mount stays, and so does the directory.
            if error.errno not in (errno.ENOTEMPTY, errno.ENOENT, errno.ENOTDIR):
                raise


@contextmanager
def _put_in_place(content: str, place: str, target: str) -> Iterator[None]:
    relocate.move(content, place)
    descriptor = os.open(place, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    placed = os.fstat(descriptor)
    try:
        yield
        if _was_led_away(descriptor, placed, place):
            raise RunError(
                f"{target}: device or resource busy: the step moved or linked a mount's content elsewhere",
                status=1,
            )
    finally:
        os.close(descriptor)
        if _is_same(placed, place):
            relocate.move(place, content)
        else:
            discard(place)


def _was_led_away(descriptor: int, placed: os.stat_result, place: str) -> bool:
    links = os.fstat(descriptor).st_nlink
    if not _is_same(placed, place):
        return links > 0
    return not stat.S_ISDIR(placed.st_mode) and links > placed.st_nlink


def _is_same(placed: os.stat_result, place: str) -> bool:
    try:
        return os.path.samestat(placed, os.lstat(place))
    except (FileNotFoundError, NotADirectoryError):
        return False


def _refusal(target: str, error: OSError) -> RunError:
    reason = (error.strerror or str(error)).lower()
    if error.errno == errno.EBUSY:
        reason = "something is mounted there in the pod: choose another target"
    return RunError(f"cannot mount at {target}: {reason}", status=_REFUSED)
