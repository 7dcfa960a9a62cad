"""A root that is looked at again and again: what nothing happened in is not looked at twice."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field

from yadokari_builder.layers import snapshot
from yadokari_builder.layers.snapshot import Snapshot
from yadokari_builder.rootfs.boundary import Boundary
from yadokari_builder.rootfs.notices import LostError, Notice, Notices
from yadokari_builder.rootfs.paths import parents

logger = logging.getLogger(__name__)

# To walk over fewer entries takes no time, and what the kernel gives is scarce: root's instances, often 128,
# are those of all of a node's pods, and of its kubelet.
_FEWEST_ENTRIES = 2_000
# Each takes a kilobyte of the kernel's memory, which counts as the pod's.
_MOST_DIRECTORIES = 16_384


class _UntoldError(Exception):
    """What has happened is not known to be all that has."""


@dataclass(slots=True)
class Watch:
    """A root, how it was last time, and the directories that the kernel tells of since; to be closed.

    The kernel tells of what happens to a file by a name in such a directory, and by no other name. So all is
    walked over again where a directory has come or was moved, and where a name came and went: any file may
    have had it, and may have been written to by it. Nothing is told at all where in-root paths `ignored` are
    folders, in which files may have other names, and of roots of less than `fewest` entries or of more than
    `most` directories. What a step does by a name in the executor's own folder, where nothing is a step's, is
    lost.
    """

    boundary: Boundary
    ignored: frozenset[str]
    snapshot: Snapshot
    fewest: int = _FEWEST_ENTRIES
    most: int = _MOST_DIRECTORIES
    _notices: Notices | None = None
    _directories: dict[int, str] = field(default_factory=dict)
    # Where the build itself has written since.
    _touched: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._begin()

    def take(self) -> Snapshot:
        """Return what is in the root after processes have run there, and remember it."""
        retaken = self._retaken()
        if retaken is None:
            self.close()
            self.snapshot = snapshot.take(self.boundary)
            self._begin()
        else:
            self.snapshot = retaken
            self._touched.clear()
        return self.snapshot

    def refresh(self, paths: Iterable[str]) -> None:
        """Remember what is at and below `paths` now, which the build wrote; see `snapshot.refreshed`."""
        before = self.snapshot.directories
        self.snapshot = snapshot.refreshed(self.snapshot, self.boundary, paths)
        if self._notices is None:
            return
        try:
            for notice in self._notices.read():
                self._touch(notice)
        except LostError:
            self.close()
            self._begin()
            return
        if not self._is_within_reach():
            self.close()
            return
        now = self.snapshot.directories
        self._listen(self._notices, [path for path in now if now[path] is not before.get(path)])

    def close(self) -> None:
        """Have nothing told any more."""
        if self._notices:
            self._notices.close()
        self._notices = None
        self._directories.clear()
        self._touched.clear()

    def _begin(self) -> None:
        if len(self.snapshot) < self.fewest or not self._is_within_reach():
            return
        try:
            self._notices = Notices()
        except OSError as error:
            logger.debug("the kernel tells of no changes: %s", error)
            return
        self._listen(self._notices, self.snapshot.directories)

    def _is_within_reach(self) -> bool:
        return len(self.snapshot.directories) <= self.most and not self._has_ignored()

    def _has_ignored(self) -> bool:
        # Where the directory above is none of the root's there is nothing, or it is ignored itself.
        above = self.snapshot.directories
        try:
            return any(
                next(parents(path)) in above and snapshot.is_directory(self.boundary, path)
                for path in self.ignored
            )
        except OSError:
            return True

    def _listen(self, notices: Notices, paths: Iterable[str]) -> None:
        try:
            for path in paths:
                self._directories[notices.add(self.boundary.host(path))] = path
        except OSError as error:
            logger.debug("the kernel tells of no changes: %s", error)
            self.close()

    def _retaken(self) -> Snapshot | None:
        """Return what is in the root by what was told; None where that is not enough."""
        if self._notices is None:
            return None
        try:
            self._hear(self._notices)
            return snapshot.retaken(self.snapshot, self.boundary, self._touched)
        except (LostError, _UntoldError):
            return None

    def _hear(self, notices: Notices) -> None:
        """Note what processes have touched; raises `LostError` and `_UntoldError`."""
        # The names that are new, and whether by a move.
        came: dict[tuple[int, bytes], bool] = {}
        for notice in notices.read():
            name = notice.number, notice.name
            if notice.is_directory and (notice.has_come or notice.is_move):
                raise _UntoldError
            if name in came:
                # Two files that exchange their names look like one that comes and at once goes on.
                if notice.has_come or (notice.has_gone and (came[name] or not notice.is_move)):
                    raise _UntoldError
                if notice.has_gone:
                    del came[name]
            elif notice.has_come:
                came[name] = notice.is_move
            self._touch(notice)

    def _touch(self, notice: Notice) -> None:
        path = self._directories.get(notice.number)
        if path is None:
            return
        if notice.is_last:
            del self._directories[notice.number]
            return
        # What is written to the lower layer of an overlay changes every directory on the way, too.
        self._touched.update((path, *parents(path)))
