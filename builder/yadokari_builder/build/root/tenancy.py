"""A base image whose own container this is: taken for a stage's root as it stands, where that is exact.

A container runtime has put the base's files there, and beside them what it mounts on: places that are mounts
now, which no build sees, and the folders that lead there. Nothing else is in a root that nobody has touched,
but where a runtime makes links as well: such a root is not taken.
"""

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain

from yadokari_builder.build.root.standing import hides
from yadokari_builder.errors import BuilderError, RunError, UsageError
from yadokari_builder.layers import snapshot
from yadokari_builder.layers.snapshot import Snapshot
from yadokari_builder.oci.reference import Reference
from yadokari_builder.plan.lodge import Lodger, Refusal, lodger
from yadokari_builder.plan.plan import Base, Plan, PlannedStage
from yadokari_builder.registry.pull import PulledImage
from yadokari_builder.rootfs.boundary import Boundary
from yadokari_builder.rootfs.overlay import MERGED_LINKS, merges_show
from yadokari_builder.rootfs.paths import resolve
from yadokari_contract.results.lodging import LodgingResult, NotLodged
from yadokari_contract.runtime import LOADED

logger = logging.getLogger(__name__)

_MADE_WITH_THE_CONTAINER = ("/dev/fd", "/dev/stdin", "/dev/stdout", "/dev/stderr")
# A runtime makes mount points and what leads there shortly before it makes those links.
_MOST_SECONDS = 1
# Docker makes the file, and Docker, Podman and CRI-O the link, where the image has none.
_DOCKERS, _LINK, _TARGET = "/.dockerenv", "/etc/mtab", "/proc/mounts"
_MOST_SECONDS_OF_LINK = 10
_NANO = 1_000_000_000
_CROSS_DEVICE = "cross-device link"

Tell = Callable[[LodgingResult], None]


class _NotAsItWas(Exception):  # noqa: N818 as StopIteration is called
    """The root is not the base's, or cannot be taken for it."""

    def __init__(self, reason: NotLodged, message: str) -> None:
        super().__init__(message)
        self.refusal = Refusal(reason, message)


@dataclass(slots=True)
class Tenancy:
    """A root that holds the base of the `lodger`'s stage, until something else is put there.

    `made_ns` is when the container was made. What comes of it is told by `tell`.
    """

    boundary: Boundary
    lodger: Lodger
    made_ns: int
    tell: Tell
    is_over: bool = False
    is_lived_in: bool = False
    """Whether what is in the root is the base and what steps made of it."""
    strangers: tuple[str, ...] = field(default=())
    """Folders that lead to mounts and that the base has not."""
    stamps: Mapping[str, int] = field(default_factory=dict)
    """Times of folders of the base in which the runtime has made mount points, in nanoseconds."""
    _found: Snapshot | None = None

    @property
    def stage(self) -> PlannedStage:
        """The stage that begins in the root as it stands."""
        return self.lodger.stage

    def begin(self, base: Base) -> bool:
        """Make the root what it would be if the base were unpacked there; tells whether that could be."""
        if self.is_over or base is not self.stage.base:
            self.end()
            return False
        self.is_over = True
        try:
            self._settle()
        except _NotAsItWas as error:
            refuse(error.refusal, self.tell)
            return False
        self.is_lived_in = True
        name = self.stage.name
        self.tell(LodgingResult(name))
        logger.info("lodging: stage %s is built in its base's own container: nothing is unpacked", name)
        return True

    def take_found(self, boundary: Boundary) -> Snapshot | None:
        """Return, once, how the root was found within a boundary: before anything is written there."""
        found, self._found = self._found, None
        return found if boundary == self.boundary else None

    def end(self) -> None:
        """Note that the root is another's from now on."""
        self.is_over = True
        self.is_lived_in = False

    def blames(self, error: RunError) -> bool:
        """Tell whether a step may have failed for an overlay: that renames no folder of a lower layer.

        Then the base is to be unpacked.
        """
        if not (self.is_lived_in and _CROSS_DEVICE in error.log_tail.lower()):
            return False
        self._give_up("a step could not rename a folder of the base, which it can where that is unpacked")
        return True

    def hides(self, path: str) -> None:
        """Note that a stage takes what the base may have at a path: it is to be unpacked."""
        self._give_up(f"a stage takes {path}, where the container has what is its own")

    def _give_up(self, why: str) -> None:
        self.end()
        refuse(Refusal(NotLodged.FILES_DIFFER, why), self.tell)

    def _settle(self) -> None:
        # Before anything is listed, which is an access.
        above = {path: os.lstat(self.boundary.host(path)) for path in self._above()}
        then = {path: status for path, status in above.items() if self._is_of_then(status.st_mtime_ns)}
        self._require_nothing_made()
        found = snapshot.take(self.boundary)
        self._require_untouched(found)
        self._require_numbers(found)
        self.strangers = tuple(self._made_by_runtime(then))
        linked = found.linked()
        self._join(linked)
        self._found = snapshot.refreshed(found, self.boundary, chain.from_iterable(linked))
        self.stamps = {path: it.st_mtime_ns for path, it in then.items() if path not in self.strangers}
        # No layer tells of the root itself.
        root = self.boundary.host("/")
        os.chown(root, 0, 0)
        os.chmod(root, 0o755)

    def _above(self) -> Iterator[str]:
        return (path for path in sorted(self.boundary.above) if os.path.isdir(self.boundary.host(path)))

    def _is_of_then(self, stamp_ns: int) -> bool:
        """Tell whether a time is that at which the container was made; the base may have times to come."""
        return self.made_ns - _MOST_SECONDS * _NANO < stamp_ns <= self.made_ns

    def _made_by_runtime(self, then: Mapping[str, os.stat_result]) -> Iterator[str]:
        """Yield which folders the runtime has made, and not made something in; all were changed then.

        An overlay tells, by the links of a folder that lower layers have as well. Else those of the base are
        told by nobody having asked for what is in them, which not only a build does: containerd looks from
        outside how large containers are, every ten seconds.
        """
        if then and merges_show(self.boundary.host("/")):
            yield from (path for path, status in then.items() if status.st_nlink != MERGED_LINKS)
            return
        for path, status in then.items():
            if status.st_atime_ns > self.made_ns:
                why = f"{path} was looked into after the container was made: whose it is cannot be told"
                raise _NotAsItWas(NotLodged.ROOT_CHANGED, why)
            if self._is_of_then(status.st_atime_ns):
                yield path

    def _require_nothing_made(self) -> None:
        """Make sure that no runtime has put anything into the root that is no mount."""
        link, earliest = self.boundary.host(_LINK), self.made_ns - _MOST_SECONDS_OF_LINK * _NANO
        is_new = os.path.islink(link) and os.lstat(link).st_ctime_ns > earliest
        found = [_LINK] if is_new and os.readlink(link) == _TARGET else []
        if os.path.lexists(self.boundary.host(_DOCKERS)):
            found.append(_DOCKERS)
        if found:
            raise _NotAsItWas(NotLodged.ROOT_CHANGED, f"{found[0]} may be the container runtime's")

    def _require_untouched(self, found: Snapshot) -> None:
        top = os.lstat(self.boundary.host("/")).st_ctime_ns
        if max(found.newest_ns, top) <= self.made_ns:
            return
        place = next(_changed_after(found, self.made_ns), "/")
        why = f"{place} was changed after the container was made"
        raise _NotAsItWas(NotLodged.ROOT_CHANGED, why)

    def _require_numbers(self, found: Snapshot) -> None:
        """Make sure that a file is the same one after it is written to.

        On an overlay of several file systems files have numbers of their own device until then.
        """
        device = os.lstat(self.boundary.host("/")).st_dev
        for parent, directory in found.directories.items():
            first = next((name for name, metadata in directory if not metadata.is_directory), None)
            if first is not None:
                path = f"{parent.rstrip('/')}/{os.fsdecode(first)}"
                if os.lstat(self.boundary.host(path)).st_dev != device:
                    why = f"{path} is on another file system than the root: its number would not last"
                    raise _NotAsItWas(NotLodged.FILES_DIFFER, why)

    def _join(self, linked: Iterable[list[str]]) -> None:
        """Have the names of one file go on being that when one of them is written to.

        An overlay copies what is written from its lower layers, by the name that it is written to.
        """
        for first, *others in linked:
            for path in others:
                parent = self.boundary.host(os.path.dirname(path))
                status = os.lstat(parent)
                os.unlink(self.boundary.host(path))
                os.link(self.boundary.host(first), self.boundary.host(path), follow_symlinks=False)
                os.utime(parent, ns=(status.st_atime_ns, status.st_mtime_ns))


@dataclass(frozen=True, slots=True)
class Container:
    """What the container is said to be: the image `hint`, which `find` finds.

    `mounts` are all mount points in its root. It `is_new` if no build has begun there before. With
    `keeps_files` those of the last stage are wanted there in the end.
    """

    hint: Reference
    find: Callable[[Reference], PulledImage]
    mounts: tuple[str, ...]
    is_new: bool
    keeps_files: bool = False


def open_tenancy(container: Container, plan: Plan, boundary: Boundary, tell: Tell) -> Tenancy | None:
    """Find the stage that is to be built in the root as it stands; None where none can be.

    Raises `UsageError` where what is mounted for the image's sake would be in the way of steps.
    """
    chosen = lodger(plan, container.hint)
    base = None if isinstance(chosen, Refusal) else chosen.stage.base
    image = base if isinstance(base, PulledImage) else _found(container)
    if image:
        _require_no_volume(image, container, boundary, tell)
    if isinstance(chosen, Lodger):
        chosen = _unless_hidden(chosen, boundary)
    last = plan.last
    if isinstance(chosen, Lodger) and container.keeps_files and last.index not in chosen.staying:
        why = f"the files of stage {last.name} are to be left in the root"
        chosen = Refusal(NotLodged.OTHER_STAGES, why)
    if isinstance(chosen, Refusal):
        refuse(chosen, tell)
        return None
    if not container.is_new:
        refuse(Refusal(NotLodged.ROOT_CHANGED, "a build has begun in this container before"), tell)
        return None
    tell(LodgingResult("", NotLodged.NOT_NEEDED, "no step needed files of the base"))
    return Tenancy(boundary, chosen, _made_ns(), tell)


def _unless_hidden(chosen: Lodger, boundary: Boundary) -> Lodger | Refusal:
    """Refuse what would come to light when the stage has been built: that another takes what nobody sees."""
    for index in chosen.staying:
        for taken in chosen.taken(index):
            if hides(boundary, taken):
                what = f"{taken.path} of stage {chosen.name_of(index)} is taken"
                return Refusal(NotLodged.OTHER_STAGES, f"{what}, where the container has what is its own")
    return chosen


def _found(container: Container) -> PulledImage | None:
    try:
        return container.find(container.hint)
    except BuilderError as error:
        # A hint makes no build worse: what steps then do in a volume they are told (see Volumes).
        logger.info("lodging: which volumes the container's image has is not known: %s", error)
        return None


def _require_no_volume(image: PulledImage, container: Container, boundary: Boundary, tell: Tell) -> None:
    """Refuse to build beside volumes that a runtime mounts because the image says so."""
    own = {resolve(boundary.root, path) for path in image.image.config.config.volumes}
    if hidden := sorted(own.intersection(container.mounts)):
        why = f"the image's own volume {hidden[0]} is mounted over its files"
        tell(LodgingResult("", NotLodged.VOLUMES, why))
        name = container.hint.familiar
        raise UsageError(f"--lodging {name}: {why}: build in a container of the executor image")


def read_hint(text: str, environment: Mapping[str, str]) -> Reference | None:
    """Read what the container is said to be, "" for nothing; raises `UsageError`."""
    if not text:
        return None
    hint = Reference.parse(text)
    if hint.digest is None:
        raise UsageError(f"--lodging {text}: it names no digest: give REFERENCE@DIGEST")
    if loaded := [name for name in LOADED if environment.get(name)]:
        raise UsageError(
            f"--lodging: {loaded[0]} is set, perhaps by the image, and would reach into the executor:"
            ' set it to "" in the pod'
        )
    return hint


def refuse(refusal: Refusal, tell: Tell) -> None:
    """Tell that the base is unpacked as ever."""
    logger.info("lodging: the base is unpacked as ever: %s", refusal.message)
    tell(LodgingResult("", refusal.reason, refusal.message))


def _made_ns() -> int:
    """Return when the runtime made this container, by the clock that stamps files; 0 where nothing tells."""
    stamps = [os.lstat(path).st_ctime_ns for path in _MADE_WITH_THE_CONTAINER if os.path.lexists(path)]
    return min(stamps, default=0)


def _changed_after(found: Snapshot, stamp_ns: int) -> Iterator[str]:
    for parent, directory in found.directories.items():
        for name, metadata in directory:
            if metadata.ctime_ns > stamp_ns:
                yield f"{parent.rstrip('/')}/{os.fsdecode(name)}"
