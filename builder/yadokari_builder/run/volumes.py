"""Volumes of the pod among the image's files, and steps that meet one.

A volume can be neither moved out of the way nor hidden without privilege. What a step writes there is not the
image's and would be lost without a word, so such a step ends with an error that says where to mount instead.
"""

import logging
import os
import posixpath
import re
import stat
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from yadokari_builder.errors import RunError
from yadokari_builder.rootfs.boundary import Boundary
from yadokari_builder.rootfs.paths import normalise, parents, resolve
from yadokari_builder.run.kubelet_files import KUBELET_FILES

logger = logging.getLogger(__name__)

_OF_EVERY_POD = frozenset({"/proc", "/sys", "/dev", *KUBELET_FILES})
_ACCOUNT = "/secrets/kubernetes.io/serviceaccount"
_MOST_WATCHED = 10_000
_MOST_NAMED = 200
_PATH = re.compile(r"(?<![\w./-])/[^\s\0'\"`:;,|&<>()=]*")
_REFUSED = 126

_State = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Volumes:
    """The volumes at the in-root `paths`; below those of `written` the executor itself writes."""

    boundary: Boundary
    paths: frozenset[str]
    written: frozenset[str] = frozenset()

    @classmethod
    def among(
        cls,
        mounts: Iterable[str],
        boundary: Boundary,
        executors: Collection[str],
        written: Iterable[str] = (),
    ) -> "Volumes":
        """Pick from mount points those that are no part of every pod and not in a folder of `executors`."""
        return cls(boundary, frozenset(in_volumes(mounts, executors)), frozenset(written))

    def require_free(self, working_dir: str) -> None:
        """Refuse a step whose working directory is in a volume or the executor's; raises `RunError`."""
        barrier = self.boundary.barrier(resolve(self.boundary.root, working_dir))
        if barrier is None or not _OF_EVERY_POD.isdisjoint((barrier, *parents(barrier))):
            return
        why = (
            _advice(barrier)
            if barrier in self.paths
            else f"the executor's own files are in {barrier}: choose another"
        )
        raise RunError(f"the working directory {working_dir} is not the image's: {why}", status=_REFUSED)

    @contextmanager
    def watched(
        self, text: str, strangers: Callable[[], Collection[str]], working_dir: str = "/"
    ) -> Iterator[None]:
        """Have a step run that wants what `text` says; `strangers` tells directories that the image lacks.

        Raises `RunError` where a volume that it names was changed, or where it wanted to make one of those
        directories, which are there for the sake of a volume already; what it fails for is explained if it
        named a volume. A change of another volume is warned of.
        """
        before = self._state()
        try:
            yield
        except RunError as error:
            self._explain(error, f"{text}\n{error.log_tail}")
            raise
        self._require_unchanged(before, text, working_dir)
        self._require_made(text, strangers())

    def _of(self, path: str) -> str | None:
        barrier = self.boundary.barrier(path)
        return barrier if barrier in self.paths else None

    def _explain(self, error: RunError, text: str) -> None:
        volumes = {self._of(path) or self._below(path) for path in self._named(text)}
        for volume in sorted(filter(None, volumes)):
            error.message += f"; {_advice(volume)}"

    def _below(self, path: str) -> str | None:
        """Return a volume that a path other than the root is above of."""
        if path == "/" or not self.boundary.has_excluded_below(path):
            return None
        return next((volume for volume in sorted(self.paths) if path in parents(volume)), None)

    def _named(self, text: str) -> set[str]:
        """Return the in-root paths that a text names, links followed."""
        found = dict.fromkeys(match.group().rstrip(".") for match in _PATH.finditer(text))
        named: set[str] = set()
        for path in list(found)[:_MOST_NAMED]:
            # What a step says may look like a path and be none: too long, or a link to itself.
            with suppress(OSError):
                named.add(resolve(self.boundary.root, normalise(path)))
        return named

    def _require_unchanged(self, before: _State, text: str, working_dir: str) -> None:
        """Blame the step for changes of volumes that it names; others may be another container's."""
        after = self._state()
        changed = [
            path for path in sorted(before.keys() | after.keys()) if before.get(path) != after.get(path)
        ]
        if not changed:
            return
        named = {self._of(path) for path in self._named(text)}
        for path in changed:
            volume = self._of(path) or path
            if volume in named or posixpath.relpath(volume, working_dir) in text:
                raise RunError(
                    f"{path} was changed while the step ran; it is not the image's and would be lost:"
                    f" {_advice(volume)}",
                    status=_REFUSED,
                )
        logger.warning(
            "%s was changed while the step ran, by it or by another container:"
            " what a step writes there is not in the image",
            changed[0],
        )

    def _require_made(self, text: str, strangers: Collection[str]) -> None:
        if not strangers:
            return
        for path in sorted(self._named(text) & set(strangers)):
            if volume := self._below(path):
                raise RunError(
                    f"the image has no {path} and does not get one from this step, since the directory is"
                    f" there already: {_advice(volume)}",
                    status=_REFUSED,
                )

    def _state(self) -> _State:
        """Return what tells whether a file has changed, of the files of volumes that can be written to.

        Of a large one those are looked at that come first, folder by folder.
        """
        state: dict[str, tuple[int, ...]] = {}
        for volume in sorted(self.paths):
            for number, (path, status) in enumerate(self._files(volume)):
                if number == _MOST_WATCHED:
                    break
                state[path] = _stamp(status)
        return state

    def _files(self, volume: str) -> Iterator[tuple[str, os.stat_result]]:
        host = self.boundary.host(volume)
        try:
            if os.statvfs(host).f_flag & os.ST_RDONLY:
                return
            status = os.lstat(host)
        except OSError:  # a volume of the network may be gone
            return
        yield volume, status
        ahead = [volume] if os.path.isdir(host) else []
        for folder in ahead:
            for name, status in _entries(self.boundary.host(folder)):
                path = posixpath.join(folder, name)
                if path in self.written or path in self.boundary.excluded:
                    continue
                yield path, status
                if stat.S_ISDIR(status.st_mode):
                    ahead.append(path)


def in_volumes(excluded: Iterable[str], executors: Collection[str]) -> list[str]:
    """Leave out of paths that are not the image's what is part of every pod or in a folder of `executors`."""
    elsewhere = {*_OF_EVERY_POD, *executors}
    return [path for path in excluded if elsewhere.isdisjoint((path, *parents(path)))]


def _entries(host: str) -> list[tuple[str, os.stat_result]]:
    try:
        with os.scandir(host) as entries:
            return sorted((entry.name, entry.stat(follow_symlinks=False)) for entry in entries)
    except OSError:
        return []


def _stamp(status: os.stat_result) -> tuple[int, ...]:
    return (status.st_ino, status.st_mode, status.st_uid, status.st_gid, status.st_size, status.st_ctime_ns)


def _advice(volume: str) -> str:
    if volume.endswith(_ACCOUNT):
        return (
            f"{volume} is mounted into the pod, and holds the token of its service account: no step needs it."
            " Set automountServiceAccountToken: false in the pod's spec"
        )
    name = posixpath.basename(volume)
    return (
        f"a volume of the pod is mounted at {volume}. Mount it at a place that the Dockerfile does not use,"
        f" such as /kaniko/{name}"
    )
