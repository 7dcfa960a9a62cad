import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import urllib3

from support.sshd import NO_SSH
from yadokari_builder.copy.destination import Written
from yadokari_builder.copy.perform import Target, copy_files
from yadokari_builder.dockerfile.ignore import IgnorePatterns
from yadokari_builder.dockerfile.instructions import Add, Copy
from yadokari_builder.dockerfile.parser import parse
from yadokari_builder.plan.copies import read_copy
from yadokari_builder.plan.steps import ContextSource
from yadokari_builder.registry.http.connections import Network
from yadokari_builder.registry.http.tls import Trust
from yadokari_builder.rootfs.boundary import Boundary
from yadokari_builder.sources.tree import SourceTree


@dataclass(frozen=True, slots=True)
class Workshop:
    """A context and a root in temporary folders, and a way to perform instructions on them."""

    context: Path
    root: Path
    staging: Path
    scratch: Path
    working_dir: str = "/"
    ignore: str = ""
    excluded: frozenset[str] = frozenset()
    keep_owners: bool = False
    http: urllib3.PoolManager = field(default_factory=lambda: Network(Trust("")).pools())

    def with_(self, **changes: object) -> "Workshop":
        return replace(self, **changes)  # type: ignore[arg-type]

    def fill(self, files: Mapping[str, str | None], base: Path | None = None) -> None:
        """Make files (text), folders (None) and links ("-> target") in the context, or below `base`."""
        for name, content in files.items():
            path = (base or self.context) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if content is None:
                path.mkdir()
            elif content.startswith("-> "):
                path.symlink_to(content[3:])
            else:
                path.write_text(content)

    def fill_root(self, files: Mapping[str, str | None]) -> None:
        self.fill(files, self.root)

    def do(self, line: str) -> Written:
        """Perform one COPY or ADD as it would stand in a Dockerfile."""
        instruction = parse(f"FROM scratch\n{line}\n").stages[0].instructions[0]
        assert isinstance(instruction, Copy | Add)
        action = read_copy(instruction, ContextSource(), self.working_dir)
        ignored = IgnorePatterns.parse(self.ignore)
        source = SourceTree(self.context, ignored=ignored, owner=None if self.keep_owners else (0, 0))
        target = Target(Boundary(self.root, self.excluded), self.staging, self.scratch)
        with self.http:
            return copy_files(action, source, target, self.http, NO_SSH)

    def tree(self, base: Path | None = None) -> dict[str, str | None]:
        """Show what is in the root, or below `base`, in the form that `fill` takes."""
        top = base or self.root
        return {str(path.relative_to(top)): _shown(path) for path in sorted(top.rglob("*"))}

    def mode(self, path: str) -> int:
        return stat.S_IMODE(os.lstat(self.root / path).st_mode)

    def owner(self, path: str) -> tuple[int, int]:
        status = os.lstat(self.root / path)
        return status.st_uid, status.st_gid


def _shown(path: Path) -> str | None:
    if path.is_symlink():
        return f"-> {path.readlink()}"
    return None if path.is_dir() else path.read_text()


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    if os.geteuid() != 0:
        pytest.skip("files are given to other users, which takes root")
    context, root, staging, scratch = (tmp_path / name for name in ("context", "root", "staging", "scratch"))
    for folder in (context, root, staging, scratch):
        folder.mkdir()
    return Workshop(context, root, staging, scratch)
