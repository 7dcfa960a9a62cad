"""A build context, and what opening one takes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp

import urllib3

from yadokari_builder.layers.allowance import Allowance
from yadokari_builder.oci.reference import Reference
from yadokari_builder.registry.pull import Artifact
from yadokari_builder.rootfs.boundary import Boundary
from yadokari_builder.sources.ssh.access import SshAccess
from yadokari_contract.spec import GitOptions

FindArtifact = Callable[[Reference], Artifact]
"""Finds what a registry has; raises what `Puller.artifact` does."""

_FOLDER_MODE = 0o755


@dataclass(frozen=True, slots=True)
class Location:
    """Where a context is: its scheme in lower case ("" for a path), and what stands behind `://`."""

    scheme: str
    rest: str

    def __str__(self) -> str:
        return f"{self.scheme}://{self.rest}" if self.scheme else self.rest


@dataclass(frozen=True, slots=True)
class Context:
    """A build context: a folder; `moved` tells that it has been brought there out of a build's way.

    `resolved` says which content its location meant: a commit, a digest or an ETag; "" for a folder. `time`
    is when that was made, in seconds since 1970, where it is known.
    """

    root: Path
    moved: bool = False
    resolved: str = ""
    time: int | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a context is opened.

    Relative paths start at `cwd`. A build deletes everything in its root but what `boundary` excludes; both
    `refuge`, a place where nothing is, for what would be deleted, and `scratch`, a folder for what is
    fetched, are excluded themselves.
    """

    cwd: Path
    boundary: Boundary
    refuge: Path
    scratch: Path

    def new_folder(self) -> Path:
        """Make a folder for what is fetched; it has the mode that folders of contexts have."""
        folder = Path(mkdtemp(dir=self.scratch))
        folder.chmod(_FOLDER_MODE)
        return folder


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a context is opened with.

    Credentials are in `environment`. `http` are connections to anywhere, `repositories` those to git's
    servers, which `ssh` leads to as well, `nearby` to services of the node, without a proxy. `artifact` finds
    what registries have, `git` says how repositories are fetched, `stdin` is the executor's standard input, a
    descriptor, and `unpack_limit` what a context may take, in bytes (see `Allowance`).
    """

    place: Place
    environment: Mapping[str, str]
    http: urllib3.PoolManager
    repositories: urllib3.PoolManager
    nearby: urllib3.PoolManager
    ssh: SshAccess
    artifact: FindArtifact
    git: GitOptions = field(default_factory=GitOptions)
    stdin: int = 0
    unpack_limit: int = 0

    def allowance(self) -> Allowance:
        """Return what the context may take."""
        return Allowance(self.place.scratch, self.unpack_limit)
