"""From steps to layers: what the steps of a stage change is gathered step by step, at once, or not at all."""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from yadokari_builder.build.layering.packing import Packing
from yadokari_builder.copy.destination import Written
from yadokari_builder.layers import snapshot
from yadokari_builder.layers.changes import Changes, Checksums, compare, walk_key
from yadokari_builder.layers.fingerprints import checksum_of_file
from yadokari_builder.layers.members import Entry, Members, members_of_changes, members_of_paths
from yadokari_builder.layers.snapshot import FileMetadata, Snapshot
from yadokari_builder.layers.watch import Watch
from yadokari_builder.rootfs.boundary import Boundary

# A runtime makes these directories where an image has none to mount on; what starts from scratch gets them
# with its first RUN, as from BuildKit.
_MOUNT_POINTS = ("/dev", "/proc", "/sys")

Perform = Callable[[], Iterable[str]]
"""Runs a process; returns in-root paths whose metadata mounts have disturbed."""


class Recorder(Protocol):
    """What gathers the members of layers from what the steps of one stage do."""

    def run(self, perform: Perform) -> Members | None:
        """Let a process run, which may change any file; returns the members of its layer, if one is due."""

    def wrote(self, written: Written) -> Members | None:
        """Note what a step is known to have written; returns the members of its layer, if one is due."""

    def finish(self) -> Members | None:
        """End the stage; returns the members of the layer of all that is in none yet."""

    def close(self) -> None:
        """Let go of what is held, whether the stage has come to its end or not."""


class NoLayers:
    """For stages whose layers nobody wants: others only read their files."""

    def run(self, perform: Perform) -> None:
        """Let a process run."""
        perform()

    def wrote(self, written: Written) -> None:
        """Note nothing."""

    def finish(self) -> None:
        """Have nothing to gather."""

    def close(self) -> None:
        """Have nothing to let go of."""


def snapshotted(boundary: Boundary, packing: Packing) -> Boundary:
    """Return the part of a root that snapshots look at."""
    return Boundary(boundary.root, boundary.excluded | packing.ignored)


@dataclass(slots=True)
class LayerPerStep:
    """A layer for every step that changes files.

    `is_bare` tells that the stage starts from nothing and no process has run in it; `checksums` tells what
    layers hold.
    """

    boundary: Boundary
    packing: Packing
    is_bare: bool
    checksums: Checksums
    _watch: Watch | None = None

    def begin(self, found: Snapshot) -> None:
        """Take the root to be as it was found: nothing has been written there since."""
        self._watch = Watch(self.boundary, self.packing.ignored, found)

    def run(self, perform: Perform) -> Members | None:
        """Let a process run; returns the members of the layer of what has changed."""
        self._watch = watch = self._watch or _watched(self.boundary, self.packing)
        before = watch.snapshot
        snapshot.settle(before)
        disturbed = frozenset(perform())
        changes = _without(compare(before, watch.take(), self.boundary, self.checksums), disturbed)
        extra = _mount_points(self.boundary) if self.is_bare else []
        self.is_bare = False
        return _gathered(changes, extra, self.boundary, self.packing)

    def wrote(self, written: Written) -> Members | None:
        """Gather what a step has written, without looking for changes elsewhere."""
        paths = [path for path in written.paths if path != "/" and not self.boundary.is_excluded(path)]
        staged = _staged(written, self.packing)
        if not (paths or staged):
            return None
        if self._watch:
            self._watch.refresh(written.paths)
        return members_of_paths(paths, self.boundary, extra=staged, timestamp=self.packing.timestamp)

    def finish(self) -> None:
        """Have nothing left to gather."""

    def skip(self, *, ran: bool) -> None:
        """Note that a step's changes come from elsewhere; `ran` tells that a process made them."""
        self.close()
        self.is_bare = self.is_bare and not ran

    def close(self) -> None:
        """Forget how the root is."""
        if self._watch:
            self._watch.close()
        self._watch = None


@dataclass(slots=True)
class LayerPerStage:
    """One layer for all that a stage's steps change, as if they were one; made when the first one begins."""

    boundary: Boundary
    packing: Packing
    is_bare: bool
    checksums: Checksums
    _watch: Watch = field(init=False)
    _before: Snapshot = field(init=False)
    _disturbed: set[str] = field(default_factory=set)
    _extra: dict[str, Entry] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._watch = _watched(self.boundary, self.packing)
        self._before = self._watch.snapshot
        snapshot.settle(self._before)

    def run(self, perform: Perform) -> None:
        """Let a process run."""
        self._disturbed.update(perform())
        if self.is_bare:
            self._extra |= {entry.path: entry for entry in _mount_points(self.boundary)}
        self.is_bare = False

    def wrote(self, written: Written) -> None:
        """Note what will have to be taken from elsewhere."""
        self._extra |= {entry.path: entry for entry in _staged(written, self.packing)}

    def finish(self) -> Members | None:
        """Gather what has changed since the beginning."""
        after = self._watch.take()
        changes = compare(self._before, after, self.boundary, self.checksums)
        # A later step may have replaced what an earlier one has put elsewhere.
        extra = [entry for entry in self._extra.values() if not entry.source or os.path.lexists(entry.source)]
        extra.sort(key=lambda entry: walk_key(entry.path))
        changes = _without(changes, self._merely_disturbed(after))
        return _gathered(changes, extra, self.boundary, self.packing)

    def close(self) -> None:
        """Have the root watched no more."""
        self._watch.close()

    def _merely_disturbed(self, after: Snapshot) -> frozenset[str]:
        """Return what mounts have disturbed and no step has changed, before them or after."""
        old, new = self._before.find(self._disturbed), after.find(self._disturbed)
        alike = {path for path in old.keys() & new.keys() if _are_alike(old[path], new[path])}
        files = {path for path in alike if new[path].is_regular}
        known = self.checksums(files) if files else {}
        same = {path for path, held in known.items() if checksum_of_file(self.boundary.host(path)) == held}
        return frozenset(alike - files | same)


def _watched(boundary: Boundary, packing: Packing) -> Watch:
    return Watch(boundary, packing.ignored, snapshot.take(boundary))


def _are_alike(old: FileMetadata, new: FileMetadata) -> bool:
    """Compare all but what putting a file aside and back changes."""
    kept = [(each.mode, each.owner, each.size, each.mtime_ns) for each in (old, new)]
    return kept[0] == kept[1]


def _gathered(changes: Changes, extra: list[Entry], boundary: Boundary, packing: Packing) -> Members | None:
    if not (changes or extra):
        return None
    return members_of_changes(changes, boundary, extra=extra, timestamp=packing.timestamp)


def _without(changes: Changes, disturbed: Iterable[str]) -> Changes:
    left_out = frozenset(disturbed)
    return replace(changes, changed=tuple(path for path in changes.changed if path not in left_out))


def _mount_points(boundary: Boundary) -> list[Entry]:
    return [Entry(path) for path in _MOUNT_POINTS if path in boundary.excluded]


def _staged(written: Written, packing: Packing) -> list[Entry]:
    ignored = Boundary(Path("/"), packing.ignored)
    return [
        Entry(staged.path, str(staged.file))
        for staged in written.staged
        if not ignored.is_excluded(staged.path)
    ]
