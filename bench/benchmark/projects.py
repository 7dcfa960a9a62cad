"""The base images of the projects with cache mounts: built by Yadokari, and kept in the cache."""

import subprocess
import sys
from functools import partial
from pathlib import Path

from benchmark.kept import kept
from support.pod.api import COMMAND
from support.pod.images import extra_certificates

_RECIPE = Path(__file__).resolve().parents[1] / "bases/projects.Dockerfile"


def image_name(project: str) -> str:
    """Return what the image of a project is called in the registry."""
    return f"bench/project-{project}:latest"


def base(project: str) -> Path:
    """Return the OCI layout of a project's image; its packages are the newest ones when it is made."""
    what = f"the base image of the project {project}"
    return kept(f"project-{project}", _RECIPE.read_bytes(), what, partial(_make, project=project))


def _make(folder: Path, project: str) -> None:
    (folder / "Dockerfile").write_bytes(_RECIPE.read_bytes())
    options = f"--context=dir://{folder} --no-push --oci-layout-path={folder}/image".split()
    words = [str(COMMAND), f"--bind={folder}:rw", "--", *options, f"--target={project}"]
    done = subprocess.run(
        [*words, f"--build-arg=EXTRA_CA={extra_certificates()}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.stderr.write(done.stdout[-4000:])
        raise RuntimeError(f"the image of {project} cannot be made: exit code {done.returncode}; see above")
