"""Build contexts, opened as a build opens them, in folders of a test's own."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import urllib3

from support.clients import plain_client
from support.sshd import NO_SSH
from yadokari_builder.oci.platform import Platform
from yadokari_builder.registry.pull import Puller
from yadokari_builder.rootfs.boundary import Boundary
from yadokari_builder.sources.context import Context, Place, Surroundings
from yadokari_builder.sources.open import open_context
from yadokari_builder.sources.ssh.access import SshAccess


def opened(
    location: str,
    base: Path,
    sub_path: str = "",
    /,
    *,
    cwd: Path | None = None,
    excluded: frozenset[str] = frozenset(),
    stdin: int = 0,
    environment: Mapping[str, str] = MappingProxyType({}),
    http: urllib3.PoolManager | None = None,
    ssh: SshAccess = NO_SSH,
) -> Context:
    """Open a context beside the root `base`/root, whose runtime is in /yadokari."""
    root = base / "root"
    work = root / "yadokari/work"
    scratch = work / "fetched"
    scratch.mkdir(parents=True, exist_ok=True)
    boundary = Boundary(root, excluded | {"/yadokari"})
    with plain_client() as client:
        puller = Puller(client)
        around = Surroundings(
            place=Place(cwd or base, boundary, work / "contexts/0", scratch),
            environment=environment,
            http=http or urllib3.PoolManager(),
            repositories=urllib3.PoolManager(),
            ssh=ssh,
            nearby=urllib3.PoolManager(),
            artifact=lambda reference: puller.artifact(reference, Platform("linux", "amd64")),
            stdin=stdin,
        )
        return open_context(location, sub_path, around)


def files(context: Context) -> dict[str, str]:
    """Return the content of a context's files, by path."""
    return {
        str(path.relative_to(context.root)): path.read_text()
        for path in sorted(context.root.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }
