"""What this machine has of what containers need."""

import os
import shutil

PROGRAMS = ("buildah", "docker-registry", "runc", "skopeo")


def why_no_containers() -> str | None:
    """Return why no container can be run here, or None if one can."""
    if os.geteuid() != 0:
        return "needs root"
    if missing := [name for name in PROGRAMS if shutil.which(name) is None]:
        return f"needs {', '.join(missing)}: run tests/setup pod"
    return None
