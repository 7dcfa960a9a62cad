"""Builds in folders of a test's own, without a container: steps are changed into their root."""

import gzip
import io
import tarfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from yadokari_builder.build.opened import Opened, open_build
from yadokari_builder.build.outcome import FinishedStep, assemble
from yadokari_builder.build.performing.stages import Build
from yadokari_builder.build.progress import Progress
from yadokari_builder.build.session import Session
from yadokari_builder.layers.nameless import NamelessFile
from yadokari_builder.layers.pack import PackedLayer
from yadokari_builder.oci.image import Image
from yadokari_builder.plan.plan import Plan
from yadokari_contract.spec import BuildSpec


@dataclass(slots=True)
class Built:
    """What came of a build's stages."""

    plan: Plan
    finished: dict[int, tuple[FinishedStep, ...]]
    made: list[PackedLayer]

    @property
    def image(self) -> Image:
        """The image of what was built."""
        return assemble(self.plan, self.finished, BuildSpec(), "2024-01-01T00:00:00Z")

    @property
    def layers(self) -> list[dict[str, tarfile.TarInfo] | None]:
        """What is in the layer of each of the target's steps, None for steps without one."""
        steps = self.finished[self.plan.target.index]
        return [members(step.layer.file) if isinstance(step.layer, PackedLayer) else None for step in steps]

    @property
    def names(self) -> list[list[str] | None]:
        """The names in the layer of each of the target's steps."""
        return [None if layer is None else sorted(layer) for layer in self.layers]


@dataclass(slots=True)
class Site:
    """A context and a root; images such as `busybox` are those of the plain-HTTP registry `registry`."""

    folder: Path
    registry: str
    progress: Progress = field(default_factory=Progress)
    isolation: str = "shared"
    held: ExitStack = field(default_factory=ExitStack)

    @property
    def context(self) -> Path:
        return self.folder / "context"

    @property
    def root(self) -> Path:
        return self.folder / "root"

    def spec(self, text: str, /, **fields: Any) -> BuildSpec:
        """Write the Dockerfile into the context; what is asked for beside building it is in `fields`."""
        self.context.mkdir(parents=True, exist_ok=True)
        self.root.mkdir(exist_ok=True)
        (self.context / "Dockerfile").write_text(text)
        given: dict[str, Any] = {
            "context": str(self.context),
            "no_push": "destinations" not in fields,
            "isolation": self.isolation,
            "insecure": True,
            "insecure_pull": True,
            "registry_mirrors": (f"http://{self.registry}",),
        }
        return BuildSpec(**(given | fields))

    def open(self, spec: BuildSpec, environment: Mapping[str, str] = MappingProxyType({})) -> Opened:
        return self.held.enter_context(open_build(spec, environment, self.root, self.folder, self.progress))

    def build(self, text: str, /, *, layers: Path | None = None, **fields: Any) -> Built:
        """Build the stages of a Dockerfile; `layers` is a folder for layers other than the usual one."""
        spec = self.spec(text, **fields)
        opened = self.open(spec)
        made: list[PackedLayer] = []
        build = Build(
            opened.plan,
            opened.roots,
            opened.bench,
            replace(opened.packing, folder=layers or opened.packing.folder),
            spec.single_snapshot,
            self.progress,
            made.append,
        )
        return Built(opened.plan, build.run(), made)

    def session(
        self, text: str, environment: Mapping[str, str] = MappingProxyType({}), /, **fields: Any
    ) -> Session:
        """Return a whole build that leaves the test's process unguarded."""
        return Session(self.spec(text, **fields), environment, self.root, self.folder, unguarded)


def unguarded(*_: object) -> None:
    """Leave the process as it is: it is the test's."""


def members(file: NamelessFile) -> dict[str, tarfile.TarInfo]:
    """Read the entries of a gzip layer by name."""
    with opened(file) as archive:
        return {member.name: member for member in archive}


def text_in(file: NamelessFile, name: str) -> str:
    """Read a file of a gzip layer."""
    with opened(file) as archive:
        content = archive.extractfile(name)
        assert content
        return content.read().decode()


def opened(file: NamelessFile) -> tarfile.TarFile:
    with file.open() as blob:
        return tarfile.open(fileobj=io.BytesIO(gzip.decompress(blob.read())))
