"""buildah with a store of its own, that takes images of docker.io from a registry on the loopback."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

_REGISTRIES = """\
unqualified-search-registries = ["docker.io"]
[[registry]]
prefix = "docker.io"
location = "{host}"
insecure = true
[[registry]]
location = "{host}"
insecure = true
"""


@dataclass(frozen=True, slots=True)
class Buildah:
    """How buildah is run: the beginning of its command line, and its environment."""

    command: tuple[str, ...]
    environment: dict[str, str]

    def run(self, *arguments: str) -> None:
        """Run buildah; raises `RuntimeError` with the end of its output if it fails."""
        done = subprocess.run(
            [*self.command, *arguments],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode:
            sys.stderr.write(done.stdout[-4000:])
            raise RuntimeError(f"buildah {arguments[0]} failed with exit code {done.returncode}; see above")


def buildah(folder: Path, registry: str) -> Buildah:
    """Set buildah up with everything it writes in `folder`; what it mounts is seen by itself alone."""
    for name in ("store", "run", "temporary", "home"):
        (folder / name).mkdir()
    (folder / "registries.conf").write_text(_REGISTRIES.format(host=registry))
    return Buildah(
        (
            *("unshare", "--mount", "--propagation", "private", "buildah", "--storage-driver=overlay"),
            *(f"--root={folder}/store", f"--runroot={folder}/run"),
        ),
        os.environ
        | {
            "CONTAINERS_REGISTRIES_CONF": f"{folder}/registries.conf",
            "HOME": f"{folder}/home",  # it remembers there which registry has which layer
            "TMPDIR": f"{folder}/temporary",
        },
    )
