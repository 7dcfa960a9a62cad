"""The command `tests/images`: builds what has changed and pushes all."""

import subprocess
import sys
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
            for variable, reference in push(registry).items():
                print(f"{variable}={reference}")
            return 0
        case _:
            print("usage: tests/images push HOST:PORT", file=sys.stderr)
            return 2


def push(registry: str) -> dict[str, str]:
    """Push our images to a plain-HTTP registry; returns the references by the names that are printed."""
    references = {}
    for variable, (name, tag) in _PUBLISHED.items():
        references[variable] = f"{registry}/yadokari/{tag}"
        skopeo = ["skopeo", "copy", "--quiet", "--dest-tls-verify=false"]
        image, destination = f"oci:{built(name)}:latest", f"docker://{references[variable]}"
        subprocess.run([*skopeo, image, destination], check=True)
    return references
