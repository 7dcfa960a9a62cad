"""Where the executor lives: its runtime's folder inside the root that it builds in."""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from yadokari_builder.errors import RunError, UsageError
from yadokari_builder.rootfs.anchored import Anchor
from yadokari_builder.rootfs.boundary import Boundary
from yadokari_builder.rootfs.paths import resolve
from yadokari_builder.rootfs.tree import discard
from yadokari_builder.run.kubelet_files import KUBELET_FILES
from yadokari_contract.runtime import HOME

KANIKO = "/kaniko"
"""A link to the runtime, for those who know where kaniko was."""
IN_A_POD = "KUBERNETES_SERVICE_HOST"
"""A variable that the kubelet sets."""
_VAR_RUN = "/var/run"
# Contexts and caches stay, as they are the user's, but for those that are kept elsewhere.
_OF_ONE_BUILD = ("aside", "fetched", "layers", "blobs", "root", "staging", "shelter", "borrowed", "trial")
_BEGUN = "begun"
_OVERLAY_KINDS = frozenset({"overlay", "fuse.fuse-overlayfs", "aufs"})


@dataclass(frozen=True, slots=True)
class Lodging:
    """The root that is built in, and what in it is the executor's own.

    `kept` names in-root paths that belong to the runtime beside its folder, such as /busybox of the debug
    image; the image lists them in the runtime's file `keep`, one a line. A root that `is_base` has nothing
    of the executor's beside that folder: it is a base image's. It `is_new` if no build has begun there.
    `held` are the folders that a build cannot do without, by what they are called. It is to be closed in the
    end.
    """

    root: Path
    runtime: str
    kept: tuple[str, ...]
    is_base: bool = False
    is_new: bool = True
    held: dict[str, Anchor] = field(default_factory=dict)
    _open: list[int] = field(default_factory=list)

    def work(self, name: str) -> str:
        """Name a folder below the runtime's, for things that must outlive the cleaning of the root."""
        return f"{self.runtime}/work/{name}"

    def folder(self, name: str) -> Path:
        """Make a folder below the runtime's, if it is not there, and return its host path."""
        folder = Path(self.host(self.work(name)))
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def hold(self, name: str) -> Anchor:
        """Make a folder below the runtime's, if it is not there, and hold it: before the first step."""
        path = self.work(name)
        if path not in self.held:
            self.held[path] = Anchor.open(self.folder(name))
        return self.held[path]

    def null(self) -> int:
        """Open what steps read from: before the first one, which may replace it."""
        self._open.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
        return self._open[-1]

    def close(self) -> None:
        """Let go of all that is held."""
        for anchor in self.held.values():
            anchor.close()
        for descriptor in self._open:
            os.close(descriptor)

    @contextmanager
    def whole(self) -> Iterator[None]:
        """Blame the step that runs meanwhile if it deletes what is held: raises `RunError`.

        What the system then refuses here or later would tell nobody what is wrong.
        """
        try:
            yield
        except OSError:
            self._require_whole()
            raise
        self._require_whole()

    def _require_whole(self) -> None:
        for name, anchor in self.held.items():
            if anchor.is_deleted:
                raise RunError(
                    f"the step deleted {name}, which is needed until the build is done:"
                    f" let it leave {self.runtime} alone",
                    status=1,
                )

    def free_refuge(self) -> Path:
        """Return a place for a context that would be deleted; an earlier build's stays where it was put."""
        contexts = Path(self.host(self.work("contexts")))
        return contexts / str(len(os.listdir(contexts)) if contexts.is_dir() else 0)

    def host(self, path: str) -> str:
        """Turn an in-root path into one to open."""
        return os.path.join(self.root, path.lstrip("/"))

    @contextmanager
    def without_link(self) -> Iterator[None]:
        """Take kaniko's link away, so that the root holds the image alone, and put it back in the end."""
        link = self.host(KANIKO)
        was_there = os.path.islink(link) and not self.is_base
        if was_there:
            os.unlink(link)
        try:
            yield
        finally:
            if was_there and not os.path.lexists(link):
                os.symlink(self.runtime.lstrip("/"), link)

    @contextmanager
    def with_way_to_mounts(self, mount_points: Iterable[str]) -> Iterator[None]:
        """Put /var/run back in the end, if it was a link and the image has nothing there.

        Who started the executor may know a mount below /run by that name, as Argo Workflows do, and look
        for it when the build is done.
        """
        link = self.host(_VAR_RUN)
        target = os.readlink(link) if os.path.islink(link) else ""
        try:
            yield
        finally:
            var = os.path.dirname(link)
            if target and any(point.startswith("/run/") for point in mount_points):
                if not os.path.lexists(var):
                    os.mkdir(var)
                if not os.path.lexists(link) and os.path.isdir(var) and not os.path.islink(var):
                    os.symlink(target, link)

    def boundary(self, mount_points: Iterable[str]) -> Boundary:
        """Say what is never written, deleted or snapshotted: the runtime and every mount but the root's."""
        mounts = {point for point in mount_points if point != "/"}
        return Boundary(self.root, frozenset({self.runtime, *self.kept, *mounts}))


def open_lodging(root: Path, *, is_base: bool = False) -> Lodging:
    """Find the runtime in a root and make its work folder, without what an earlier build left there.

    `is_base` is whether the root is said to be that of a base image's container. Raises `UsageError` where
    that image has links in the way of what is mounted: other files of the image are hidden then.
    """
    if is_base:
        _require_places(root)
    try:
        with open(os.path.join(root, HOME.lstrip("/"), "keep"), encoding="utf-8") as file:
            kept = tuple(line.strip() for line in file if line.startswith("/"))
    except FileNotFoundError:
        kept = ()
    os.makedirs(work := os.path.join(root, f"{HOME[1:]}/work"), mode=0o700, exist_ok=True)
    # An emptyDir is anybody's.
    os.chmod(work, 0o700)
    lodging = Lodging(root, HOME, () if is_base else kept, is_base, _begin(work))
    for name in _OF_ONE_BUILD:
        discard(lodging.host(lodging.work(name)))
    return lodging


def _require_places(root: Path) -> None:
    for path in (HOME, *KUBELET_FILES):
        if resolve(root, path) != path:
            raise UsageError(
                f"--lodging: the image has a link on the way to {path}, so what the pod has mounted there"
                " hides other files: build in a container of the executor image"
            )


def _begin(work: str) -> bool:
    """Leave a mark that a build has begun here; tell whether there was none."""
    try:
        os.mkdir(f"{work}/{_BEGUN}", 0o700)
    except FileExistsError:
        return False
    return True


def require_container(root: Path, executable: str, environment: Mapping[str, str], mountinfo: str) -> None:
    """Refuse to go on where the root is a machine's own: building replaces everything in it.

    `executable` is the running interpreter, `mountinfo` the text of /proc/self/mountinfo. Raises
    `UsageError`.
    """
    signs = (
        IN_A_POD in environment,
        "container" in environment,
        os.path.exists(root / ".dockerenv"),
        os.path.exists(root / "run/.containerenv"),
        _kind_of_root(mountinfo) in _OVERLAY_KINDS,
    )
    if executable.startswith(f"{HOME}/") and any(signs):
        return
    raise UsageError(
        "this does not look like a container of the executor image: a build deletes everything in / and"
        " unpacks the base image there; run it from the executor image, or with --force to do it anyway"
    )


def _kind_of_root(mountinfo: str) -> str:
    """Return the file system type that is mounted at `/` (proc_pid_mountinfo(5): after the separator)."""
    for line in mountinfo.splitlines():
        fields, _, rest = line.partition(" - ")
        if fields.split(" ")[4:5] == ["/"]:
            return rest.partition(" ")[0]
    return ""
