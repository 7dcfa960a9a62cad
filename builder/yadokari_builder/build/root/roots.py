"""The root that stages are built in one after the other, and the trees that their steps copy from."""

import itertools
import logging
import os
import stat
import time
from collections.abc import Hashable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from yadokari_builder.build.layering.outlined import NoOutlines, Outlines, Place, SpoiledLayerError, put
from yadokari_builder.build.lodging import Lodging
from yadokari_builder.build.progress import counted
from yadokari_builder.build.root.standing import StandingTree, set_aside
from yadokari_builder.build.root.tenancy import Tenancy
from yadokari_builder.build.root.times import FolderTimes
from yadokari_builder.cache.naming import files_name
from yadokari_builder.dockerfile.ignore import IgnorePatterns
from yadokari_builder.errors import BuilderError, ImageInvalidError
from yadokari_builder.layers.fingerprints import Fingerprints
from yadokari_builder.layers.members import Members
from yadokari_builder.layers.unpack import UnpackReport, is_placeholder
from yadokari_builder.oci.reference import Reference
from yadokari_builder.plan.plan import Base
from yadokari_builder.plan.steps import (
    ContextSource,
    EmptySource,
    Files,
    ImageSource,
    Source,
    StageSource,
)
from yadokari_builder.registry.pull import PulledImage
from yadokari_builder.registry.source import LayerSource
from yadokari_builder.rootfs import relocate, tree
from yadokari_builder.rootfs.accounts import ACCOUNT_FILES
from yadokari_builder.rootfs.anchored import Anchor
from yadokari_builder.rootfs.boundary import Boundary
from yadokari_builder.rootfs.paths import resolve
from yadokari_builder.rootfs.xattrs import is_foreign
from yadokari_builder.run.spaces.ground import lay
from yadokari_builder.run.volumes import in_volumes
from yadokari_builder.sources.seal import Seals, is_open
from yadokari_builder.sources.tree import ROOT_OWNER, SourceTree

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Aside:
    """A folder beside the root, held by its descriptor."""

    name: str
    anchor: Anchor

    @property
    def path(self) -> Path:
        """Where the operating system finds it."""
        return self.anchor.path


@dataclass(frozen=True, slots=True)
class Stack:
    """What a stage's files are made of: an image, and layers of steps on top of it."""

    image: PulledImage | None
    layers: tuple[LayerSource, ...]


@dataclass(slots=True)
class Roots:
    """Empties, fills and puts aside the root; a stage's files stay as long as another stage needs them.

    `staging` is the folder for what a stage has where the executor's own files are, `context` the folder
    of the build context. `fingerprints` are those of the files in the root. `unpack_limit` is what an image
    may take when it is unpacked, in bytes (see `Allowance`), `replaced` what of the container's own root the
    build deletes. Steps that `are_apart` see the root alone, and
    mount what they need of the pod in it.
    """

    lodging: Lodging
    boundary: Boundary
    staging: Path
    context: Path
    ignored: IgnorePatterns
    unpack_limit: int
    replaced: Boundary
    are_apart: bool = False
    has_hidden: bool = False
    """Whether there are files of images or steps that no step of this pod sees, but those of others do."""
    fingerprints: Fingerprints = field(default_factory=Fingerprints)
    tenancy: Tenancy | None = None
    """The base that stands in the root already."""
    outlines: Outlines = field(default_factory=NoOutlines)
    """Where the names in layers are known from, if they are enough."""
    unpacking: dict[str, float] = field(default_factory=dict)
    """How many seconds it took to download and unpack bases, at most, by the digests of their manifests."""
    _of_stages: dict[int, Fingerprints] = field(default_factory=dict)
    _stages: dict[int, _Aside] = field(default_factory=dict)
    _stacks: dict[int, Stack] = field(default_factory=dict)
    _images: dict[Reference, _Aside] = field(default_factory=dict)
    _seals: Seals = field(default_factory=Seals)
    _strangers: dict[str, int] = field(default_factory=dict)
    # Steps can reach what is beside the root: it is held, and never looked for by its name again.
    _aside: Anchor = field(init=False)
    # The stage whose files others read in the root, and these.
    _standing: tuple[int, StandingTree] | None = None
    _times: FolderTimes | None = None
    # Where the stage is built that is not built in the root.
    _beside: _Aside | None = None
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self._aside = self.lodging.hold("aside")

    def fill(self, base: Base, needs: Files, *, last_use: bool) -> bool:
        """Clean the root and put there what is needed of a stage's base, or find it there: tells if so.

        `last_use` tells that no other stage needs the files of the stage that this one starts from.
        """
        if self._beside is None:
            if self._is_standing(base) and last_use:
                self._standing = None
                return False
            self._vacate()
            if self.tenancy and self.tenancy.begin(base):
                self._move_in(self.tenancy)
                return True
        self._fill(base, needs, last_use=last_use)
        return False

    @contextmanager
    def beside(self) -> Iterator[None]:
        """Have a stage built in a folder of its own, while the root stays as it is."""
        root = (self.boundary, self.staging, self.fingerprints, self._strangers)
        self._beside, staging = self._make_aside("beside"), self._make_aside("staging")
        self.boundary, self.staging = Boundary(self._beside.path), staging.path
        try:
            yield
        finally:
            self._beside = None
            self.boundary, self.staging, self.fingerprints, self._strangers = root
            self._remove(staging)

    def _vacate(self) -> None:
        """Put aside what others take of the stage in the root, before that is needed.

        To put aside all that an overlay has in its lower layers would be to copy it.
        """
        if self._standing is None or self.tenancy is None:
            return
        (index, files), self._standing = self._standing, None
        folder = self._make_aside(f"stage{index}")
        set_aside(files, self.tenancy.lodger.taken(index), str(folder.path))
        self._stages[index], self._of_stages[index] = folder, self.fingerprints

    def _is_standing(self, base: Base) -> bool:
        return self._standing is not None and base == StageSource(self._standing[0])

    def _move_in(self, tenancy: Tenancy) -> None:
        """Take the root for the base; what a layer says is read when a change is in doubt."""
        assert isinstance(tenancy.stage.base, PulledImage)
        learn = partial(self._learn, tenancy.stage.base)
        self.fingerprints = Fingerprints(Fingerprints(learn=learn))
        self._strangers = {path: self._stamp(path) for path in tenancy.strangers}
        self._times = FolderTimes(self.boundary, tenancy.stage.base, tenancy.stamps)
        # What they hide nobody has seen.
        self.has_hidden |= bool(in_volumes(self.boundary.excluded, (self.lodging.runtime,)))

    def _learn(self, base: PulledImage, fingerprints: Fingerprints) -> None:
        logger.info(
            "lodging: %s is read, to tell what was changed from what was touched", base.reference.familiar
        )
        folder = self._make_aside("base")
        self._unpack(base, Boundary(folder.path), fingerprints)
        self._remove(folder)

    def _fill(self, base: Base, needs: Files, *, last_use: bool) -> None:
        tree.clear(self.boundary)
        tree.clear(Boundary(self.staging))
        if self.are_apart:
            lay(self.boundary.root)
        self._strangers = {path: self._stamp(path) for path in self.boundary.above if self._stamp(path)}
        self.fingerprints = Fingerprints()
        if needs is Files.NONE:
            return
        if isinstance(base, StageSource) and base.index in self._stages:
            self.fingerprints = Fingerprints(self._of_stages[base.index])
            self._take_up(base.index, last_use=last_use)
            return
        names_only = needs is Files.NAMES
        if isinstance(base, StageSource):
            self._unpack_stack(self._stacks[base.index], self.boundary, self.fingerprints, names_only)
        elif isinstance(base, PulledImage):
            begun, digest = time.monotonic(), str(base.image.manifest_digest)
            self._unpack(base, self.boundary, self.fingerprints, names_only=names_only)
            self.unpacking[digest] = max(self.unpacking.get(digest, 0), time.monotonic() - begun)

    def timed(self, members: Members, latest: int | None) -> Members:
        """Give members the times of the base that a container runtime has changed; see `FolderTimes`."""
        is_lodged = self.tenancy and self.tenancy.is_lived_in and self._beside is None
        return self._times.restored(members, latest) if is_lodged and self._times else members

    def lay(self, layers: Sequence[LayerSource], needs: Files) -> None:
        """Put layers of steps on top of what is in the root; raises `SpoiledLayerError`."""
        self._apply(layers, self.boundary, self.fingerprints, needs is Files.NAMES)

    def remember(self, index: int, stack: Stack) -> None:
        """Note what a stage's files are made of, for whoever needs them though they were never there."""
        self._stacks[index] = stack

    def stack_of(self, index: int) -> Stack | None:
        """Return what a stage's files are made of, as far as that was noted."""
        return self._stacks.get(index)

    def lacks_accounts(self) -> bool:
        """Tell whether a link leads from where accounts are looked up to a file without its content."""
        return any(map(self._is_placeholder, ACCOUNT_FILES))

    def strangers(self) -> tuple[str, ...]:
        """Return the directories that are there for the sake of a mount alone: nobody has touched them."""
        return tuple(path for path, stamp in self._strangers.items() if self._stamp(path) == stamp)

    def put_aside(self, index: int) -> None:
        """Keep a finished stage's files for the stages that need them: out of the root, if that is filled."""
        if self._beside:
            self._stages[index], self._of_stages[index] = self._beside, self.fingerprints
            return
        if self.tenancy and self.tenancy.is_lived_in:
            self._standing = index, StandingTree(self.boundary, self.strangers())
            return
        folder = self._stages[index] = self._make_aside(f"stage{index}")
        self._of_stages[index] = self.fingerprints
        strangers = self.strangers()
        relocate.move_contents(self.boundary, str(folder.path))
        for path in sorted(strangers, reverse=True):
            tree.remove_if_empty(f"{folder.path}{path}")
        relocate.merge(str(self.staging), str(folder.path))

    def hide(self, paths: Iterable[str]) -> None:
        """Note in-root paths that are not in the root though a stage has files there."""
        self.has_hidden = self.has_hidden or bool(in_volumes(paths, ()))

    def start_again(self) -> None:
        """Forget all stages."""
        self._standing = None
        for index in self._of_stages:
            self.forget(index)
        self._of_stages.clear()
        self._stacks.clear()

    def seal(self) -> None:
        """Note, before a step runs, that all that is there for others to take must stay as it is."""
        if self.are_apart:
            return
        named: dict[Hashable, str] = {StageSource(index): f"stage {index}" for index in self._stages}
        named |= {reference: reference.familiar for reference in self._images}
        if is_open(self.context):
            named[ContextSource()] = "the build context"
        self._seals.close(named)

    @contextmanager
    def top_kept(self) -> Iterator[None]:
        """Have a step leave the root's own owner and mode as they were: no layer has an entry for it.

        The steps after it would see what the image has not, unless it was taken from the cache.
        """
        before = os.stat(self.boundary.root)
        yield
        after = os.stat(self.boundary.root)
        if (before.st_uid, before.st_gid, before.st_mode) != (after.st_uid, after.st_gid, after.st_mode):
            os.chown(self.boundary.root, before.st_uid, before.st_gid)
            os.chmod(self.boundary.root, stat.S_IMODE(before.st_mode))

    def forget(self, index: int) -> None:
        """Delete the files of a stage that no other stage needs any more."""
        self._seals.take(StageSource(index))
        if self._is_standing(StageSource(index)):
            self._standing = None
        if folder := self._stages.pop(index, None):
            self._remove(folder)

    def source(self, source: Source) -> SourceTree:
        """Open the files that a step copies from or mounts."""
        match source:
            case ContextSource():
                seal = self._seals.find(source)
                return SourceTree(self.context, ignored=self.ignored, owner=ROOT_OWNER, seal=seal)
            case StageSource() if self._standing and self._is_standing(source):
                return self._standing[1]
            case StageSource(index):
                return SourceTree(self._stage(index).path, seal=self._seals.find(source))
            case ImageSource(reference):
                return SourceTree(self._image(source).path, seal=self._seals.find(reference))
            case EmptySource():
                return SourceTree(self._make_aside("empty").path)

    def name_of(self, source: Source, path: str) -> str:
        """Name the files at an in-tree path of a source: the same name in another build means the same files.

        An image is not fetched for that. Raises `ContextError` where the source has none.
        """
        match source:
            case ImageSource(found=found):
                return f"{found.image.manifest_digest}:{path}"
            case EmptySource():
                return "scratch"
            case _:
                return files_name(self.source(source), path)

    def _stamp(self, path: str) -> int:
        """Return when a directory was last changed, in nanoseconds; 0 for one that is not there."""
        try:
            return os.lstat(self.boundary.host(path)).st_ctime_ns
        except FileNotFoundError:
            return 0

    def _is_placeholder(self, path: str) -> bool:
        """Follow a path; what is wrong with it comes to light when somebody is looked up."""
        try:
            return is_placeholder(os.lstat(self.boundary.host(resolve(self.boundary.root, path))))
        except OSError:
            return False

    def _make_aside(self, kind: str) -> _Aside:
        name = f"{kind}.{next(self._numbers)}"
        folder = self._aside.make(name)
        self.lodging.held[self.lodging.work(f"aside/{name}")] = folder
        return _Aside(name, folder)

    def _remove(self, folder: _Aside) -> None:
        tree.clear(Boundary(folder.path))
        del self.lodging.held[self.lodging.work(f"aside/{folder.name}")]
        folder.anchor.close()
        tree.remove_if_empty(folder.name, directory=self._aside.descriptor)

    def _take_up(self, index: int, *, last_use: bool) -> None:
        if seal := self._seals.take(StageSource(index)):
            seal.require_below(str(self._stages[index].path))
        if last_use:
            folder = self._stages.pop(index)
        else:
            folder = self._make_aside("copy")
            tree.copy_tree(str(self._stages[index].path), str(folder.path))
        relocate.restore_contents(self.boundary, str(folder.path))
        self._remove(folder)

    def _stage(self, index: int) -> _Aside:
        """Return a stage's files, unpacked beside the root if they never were in it."""
        if index not in self._stages:
            folder, fingerprints = self._make_aside(f"stage{index}"), Fingerprints()
            self._unpack_stack(self._stacks[index], Boundary(folder.path), fingerprints)
            self._stages[index], self._of_stages[index] = folder, fingerprints
        return self._stages[index]

    def _image(self, source: ImageSource) -> _Aside:
        """Unpack an image that files are copied from beside the root, once."""
        if source.reference not in self._images:
            folder = self._make_aside("image")
            self._unpack(source.found, Boundary(folder.path))
            self._images[source.reference] = folder
        return self._images[source.reference]

    def _unpack(
        self,
        pulled: PulledImage,
        boundary: Boundary,
        fingerprints: Fingerprints | None = None,
        *,
        names_only: bool = False,
    ) -> None:
        name = pulled.reference.familiar

        def blame(_: LayerSource, error: BuilderError) -> Exception:
            return (
                ImageInvalidError(f"{name}: {error.message}")
                if isinstance(error, ImageInvalidError)
                else error
            )

        place = self._place(boundary, fingerprints or Fingerprints(), names_only)
        whole = put(pulled.layers, place, self.outlines, blame)
        self.hide(whole.excluded)
        _tell(name, whole, self.lodging, boundary)

    def _unpack_stack(
        self, stack: Stack, boundary: Boundary, fingerprints: Fingerprints, names_only: bool = False
    ) -> None:
        if stack.image:
            self._unpack(stack.image, boundary, fingerprints, names_only=names_only)
        self._apply(stack.layers, boundary, fingerprints, names_only)

    def _apply(
        self,
        layers: Sequence[LayerSource],
        boundary: Boundary,
        fingerprints: Fingerprints,
        names_only: bool,
    ) -> None:
        place = self._place(boundary, fingerprints, names_only)
        whole = put(layers, place, self.outlines, _as_spoiled)
        self.hide(whole.excluded)
        _tell("the cache", whole, self.lodging, boundary)

    def _place(self, boundary: Boundary, fingerprints: Fingerprints, names_only: bool) -> Place:
        return Place(boundary, fingerprints, self.lodging.hold("blobs").path, self.unpack_limit, names_only)


def _as_spoiled(source: LayerSource, error: BuilderError) -> Exception:
    return SpoiledLayerError.of(source.layer.descriptor.digest, error)


def _tell(whose: str, report: UnpackReport, lodging: Lodging, boundary: Boundary) -> None:
    """Say once what of an image could not be written as it stands."""
    runtime = lodging.runtime
    if hidden := in_volumes(report.excluded, (runtime, *lodging.kept)):
        logger.warning(
            "%s: its own %s goes into the image, but no step sees it: a volume of the pod is mounted there",
            whose, ", ".join(dict.fromkeys(boundary.barrier(path) or path for path in hidden)),
        )  # fmt: skip
    elif report.excluded:
        own = any(boundary.barrier(path) == runtime for path in report.excluded)
        # Nearly every image has a /dev; one that has a runtime of its own is worth a word.
        logger.log(
            logging.INFO if own else logging.DEBUG,
            "%s: what it has where the executor or a mount is stays out of the root: %s",
            whose, ", ".join(report.excluded[:3]),
        )  # fmt: skip
    for name, count in report.xattrs.items():
        who = "it is of a host, not of an image" if is_foreign(name) else "the node refuses it"
        logger.warning(
            "%s: the attribute %s of %s is left out: %s",
            whose, name, counted(count, "file"), who,
        )  # fmt: skip
    if report.devices:
        devices = counted(report.devices, "device file")
        logger.warning("%s: the node refuses to make %s", whose, devices)
    if report.unsafe_links:
        logger.warning(
            "%s: %d hard links lead out of the root and are left out: %s",
            whose, len(report.unsafe_links), ", ".join(report.unsafe_links[:3]),
        )  # fmt: skip
