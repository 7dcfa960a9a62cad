"""A build context, and what opening one takes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import urllib3

from yadokari_builder.rootfs.boundary import Boundary
from yadokari_contract.spec import GitOptions


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

    `resolved` says which content its location meant: a commit, a digest or an ETag; "" for a folder.
    """

    root: Path
    moved: bool = False
    resolved: str = ""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a context is opened with.

    Relative paths start at `cwd`. A build deletes everything in its root but what `boundary` excludes; both
    `refuge`, a place where nothing is, for what would be deleted, and `scratch`, a folder for what is
    fetched, are excluded themselves. Credentials are in `environment`; `git` says how repositories are
    fetched; `stdin` is the executor's standard input, a descriptor.
    """

    cwd: Path
    boundary: Boundary
    refuge: Path
    scratch: Path
    environment: Mapping[str, str]
    http: urllib3.PoolManager
    git: GitOptions = field(default_factory=GitOptions)
    stdin: int = 0
