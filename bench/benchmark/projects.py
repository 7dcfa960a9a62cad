"""The base images of the projects with cache mounts: built by Yadokari, and kept in the cache."""

import hashlib
import subprocess
import sys
import tempfile
from pathlib import Path

from support.folders import cache_folder, locked
from support.pod.api import COMMAND
from support.pod.images import extra_certificates

_RECIPE = Path(__file__).resolve().parents[1] / "bases/projects.Dockerfile"


def image_name(project: str) -> str:
    """Return what the image of a project is called in the registry."""
    return f"bench/project-{project}:latest"


def base(project: str) -> Path:
    """Return the OCI layout of a project's image; its packages are the newest ones when it is made."""
    folder = cache_folder() / "bench"
    folder.mkdir(exist_ok=True)
    key = hashlib.sha256(_RECIPE.read_bytes()).hexdigest()[:16]
    layout = folder / f"project-{project}-{key}"
    with locked(folder / "lock"):
        if not layout.exists():
            _make(layout, project)
    return layout


def _make(layout: Path, project: str) -> None:
    print(f"bench: making the base image of the project {project}, about 60 s", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(dir=layout.parent, prefix="part-") as part:
        Path(part, "Dockerfile").write_bytes(_RECIPE.read_bytes())
        options = (
            f"--context=dir://{part} --no-push --oci-layout-path={part}/image --target={project}".split()
        )
        words = [str(COMMAND), f"--bind={part}:rw", "--", *options]
        done = subprocess.run(
            [*words, f"--build-arg=EXTRA_CA={extra_certificates()}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode:
            sys.stderr.write(done.stdout[-4000:])
            raise RuntimeError(f"{layout.name} cannot be made: exit code {done.returncode}; see above")
        Path(part, "image").rename(layout)
