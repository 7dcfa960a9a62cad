"""Steps that change files, performed: RUN, COPY and ADD, WORKDIR."""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp

import urllib3

from yadokari_builder.cache.mounts.caches import CacheMounts
from yadokari_builder.copy.destination import Destination, Written
from yadokari_builder.copy.perform import Fetched, Target, copy_files, fetch, find_commit
from yadokari_builder.copy.transfer import Options, Transfer
from yadokari_builder.plan.steps import (
    Copied,
    CopyAction,
    GitFiles,
    RunAction,
    Source,
    WebFile,
    WorkdirAction,
)
from yadokari_builder.rootfs.accounts import find_owner, find_user
from yadokari_builder.rootfs.boundary import Boundary
from yadokari_builder.run.command import Command, ProcessUser
from yadokari_builder.run.environment import step_environment
from yadokari_builder.run.levels import Level
from yadokari_builder.run.mounts.caches import Fill
from yadokari_builder.run.mounts.files import FileMount
from yadokari_builder.run.mounts.mounted import mounted
from yadokari_builder.run.mounts.requests import Provisions, answer
from yadokari_builder.run.process import run_step
from yadokari_builder.run.trust import VARIABLES, trusted
from yadokari_builder.sources.ssh.access import SshAccess
from yadokari_builder.sources.tree import SourceTree


@dataclass(frozen=True, slots=True)
class Workbench:
    """What actions work with: the root, trees to copy from, where output goes.

    `staging` and `shelter` are host paths of folders that no snapshot sees; `whole` blames a step that
    deletes such folders while it runs (see `Lodging`); `level` runs steps, which read from the open file
    `null`; `unpack_limit` is for archives that are added. `authorities` are the certificates (PEM) that steps
    are to trust beside those of the image, empty for none. `kept` is what was fetched already.
    """

    boundary: Boundary
    staging: Path
    shelter: Path
    source: Callable[[Source], SourceTree]
    whole: Callable[[], AbstractContextManager[None]]
    provisions: Provisions
    caches: CacheMounts
    level: Level
    null: int
    output: Callable[[bytes], None]
    unpack_limit: int
    http: urllib3.PoolManager
    ssh: SshAccess
    authorities: str = ""
    kept: dict[Copied, Fetched] = field(default_factory=dict)


def files_of(tree: SourceTree, path: str) -> Fill:
    """Return what copies an in-tree path, file or folder, to a place on the host."""

    def fill(place: str) -> None:
        folder, name = os.path.split(place)
        destination = Destination(Boundary(Path(folder)), Path(folder))
        Transfer(tree, destination, Options()).copy(path, f"/{name}")

    return fill


def make_workdir(action: WorkdirAction, bench: Workbench) -> Written:
    """Make a working directory, and its parents, where there is none."""
    destination = Destination(bench.boundary, bench.staging)
    owner = find_owner(action.user, bench.boundary.root) if action.user else None
    destination.make_parents(destination.resolve(action.path), owner=owner)
    return destination.written()


def copy(action: CopyAction, bench: Workbench) -> Written:
    """Copy files into the root."""
    return copy_files(action, bench.source(action.source), _target(bench), bench.http, bench.ssh)


def fetched(copied: WebFile | GitFiles, bench: Workbench) -> Fetched:
    """Return what is added from elsewhere; it is fetched once, and kept."""
    if copied not in bench.kept:
        folder = Path(mkdtemp(dir=bench.shelter))
        bench.kept[copied] = fetch(copied, folder, _target(bench), bench.http, bench.ssh)
    return bench.kept[copied]


def commit_of(copied: GitFiles, bench: Workbench) -> str:
    """Tell of which commit the files of a repository are, or are going to be; nothing is fetched for that."""
    if copied in bench.kept:
        return bench.kept[copied].commit
    return find_commit(copied, _target(bench), bench.http, bench.ssh)


def _target(bench: Workbench) -> Target:
    return Target(bench.boundary, bench.staging, bench.shelter, bench.unpack_limit, bench.kept)


def run(action: RunAction, bench: Workbench) -> tuple[str, ...]:
    """Run a process in the root; returns in-root paths whose metadata mounts have disturbed.

    Raises `RunError`.
    """
    root = bench.boundary.root
    bench.level.require_free(action.working_dir)
    user = find_user(action.user, root)
    certificates = [trusted(bench.authorities, bench.boundary)] if bench.authorities else []
    # One that the image or the build sets says where its own are.
    trust = VARIABLES if certificates else {}
    environment = step_environment({**trust, **action.environment.variables()}, user.home)
    script = action.script
    scripts = [FileMount(script.path, script.content.encode(), mode=0o755)] if script else []
    answered = answer(action.mounts, bench.provisions)
    who = ProcessUser(user.uid, user.gid, user.groups)
    variables = answered.environment(environment)
    command = Command(action.argv, variables, action.working_dir, who, action.network)
    text = " ".join([*action.argv, script.content if script else ""])
    with bench.whole(), bench.caches.ready(answered.caches), bench.level.around() as beside:
        files = [*certificates, *scripts, *answered.mounts]
        mounts = mounted(files, boundary=bench.boundary, shelter=str(bench.shelter))
        with mounts as placed, bench.level.watched(text, action.working_dir):
            run_step(
                command,
                root=root,
                start=bench.level.starting(command, [*beside, *placed.held]),
                stdin=bench.null,
                output=bench.output,
                grace=bench.level.grace,
            )
        return tuple(placed.disturbed)
