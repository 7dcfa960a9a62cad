"""The command `tests/images`: builds what has changed and pushes all."""

import subprocess
import sys
import tempfile
from collections.abc import Sequence

from support.pod.images import built
from support.pod.machine import why_no_containers

_PUBLISHED = {"EXECUTOR_IMAGE": ("executor", "executor:dev"), "DEBUG_IMAGE": ("debug", "executor:debug"),
              "OPERATOR_IMAGE": ("operator", "operator:dev")}  # fmt: skip


def main(arguments: Sequence[str]) -> int:
    """Run the command; returns its exit code."""
    match arguments:
        case ["push", registry]:
            if reason := why_no_containers():
                print(f"images: cannot build here: {reason}", file=sys.stderr)
                return 1
            try:
                references = push(registry)
            except (RuntimeError, subprocess.CalledProcessError) as error:
                print(f"images: {error}", file=sys.stderr)
                return 1
            for variable, reference in references.items():
                print(f"{variable}={reference}")
            return 0
        case _:
            print("usage: tests/images push HOST:PORT", file=sys.stderr)
            return 2


def push(registry: str) -> dict[str, str]:
    """Push our images to a plain-HTTP registry; returns references by the names that are printed.

    They are references by digest: a cluster that has an older image of the same tag must not go on with it.
    """
    references = {}
    for variable, (name, tag) in _PUBLISHED.items():
        repository = f"{registry}/yadokari/{tag.partition(':')[0]}"
        with tempfile.NamedTemporaryFile("r") as digest:
            skopeo = ["skopeo", "copy", "--quiet", "--dest-tls-verify=false", "--digestfile", digest.name]
            image, destination = f"oci:{built(name)}:latest", f"docker://{registry}/yadokari/{tag}"
            subprocess.run([*skopeo, image, destination], check=True)
            references[variable] = f"{repository}@{digest.read().strip()}"
    return references
