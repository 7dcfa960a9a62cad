"""The command `bench/transfers`."""

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmark.builders import Figures, measured
from benchmark.registry import registry
from benchmark.table import machine, table
from benchmark.toolchain import TOOLCHAIN
from support.folders import remove_tree, scratch_folder
from support.pod.api import COMMAND
from support.programs import program

_POD = f"{COMMAND} --no-mirror --bind {{folder}}:rw --report {{report}} --"
_LAYOUT = "{folder}/layout"
_BASE = f"{{mirror}}/{TOOLCHAIN}"

# What it remembers of registries would have it mount what it is to push.
_SKOPEO = (
    *("unshare", "--mount", "sh", "-c"),
    'mkdir -p /var/lib/containers && mount -t tmpfs none /var/lib/containers && exec skopeo "$@"',
    "skopeo",
)

_PULL, _PUSH = "pull", "push"


def main(arguments: Sequence[str], description: str) -> int:
    """Run the command; returns its exit code."""
    parser = argparse.ArgumentParser(
        prog="bench/transfers",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="how often (5)")
    rounds = parser.parse_args(arguments).rounds
    crane = program("crane")
    if not crane:
        print("bench: crane is not compiled: tests/setup servers", file=sys.stderr)
        return 1
    tools = _tools(crane)
    results: dict[str, dict[str, list[Figures]]] = {
        verb: {name: [] for name in tools} for verb in (_PULL, _PUSH)
    }
    running = registry()
    for _ in range(rounds):
        for name, commands in tools.items():
            with tempfile.TemporaryDirectory(dir=scratch_folder(), prefix="bench-") as folder:
                Path(folder, "Dockerfile").write_text(f"FROM {TOOLCHAIN}\n")
                repository = "measured/transfer"
                places = {
                    "{folder}": folder,
                    "{mirror}": running.host,
                    "{destination}": f"{running.host}/{repository}:latest",
                }
                for verb, words in commands.items():
                    results[verb][name].append(measured(words, places))
                running.forget(repository)
                remove_tree(Path(folder, "layout"))
    print(f"{machine()}; medians of {rounds}\n")
    print(table({_PULL: "into an OCI layout", _PUSH: "of an OCI layout"}, list(tools), results))
    return 0


def _tools(crane: str) -> Mapping[str, Mapping[str, Sequence[str]]]:
    """Return the words of each tool's commands."""
    texts = {
        "Yadokari": {
            _PULL: f"{_POD} --context dir://{{folder}} --no-push --oci-layout-path {_LAYOUT}"
            " --registry-mirror {mirror} --insecure-registry {mirror}",
            _PUSH: f"{_POD} push {_LAYOUT} -d {{destination}} --insecure",
        },
        "skopeo": {
            _PULL: f"copy --quiet --src-tls-verify=false docker://{_BASE} oci:{_LAYOUT}",
            _PUSH: f"copy --quiet --dest-tls-verify=false oci:{_LAYOUT} docker://{{destination}}",
        },
        "crane": {
            _PULL: f"{crane} pull --insecure --format=oci {_BASE} {_LAYOUT}",
            _PUSH: f"{crane} push --insecure {_LAYOUT} {{destination}}",
        },
    }
    return {
        name: {
            verb: [*(_SKOPEO if name == "skopeo" else ()), *text.split()] for verb, text in commands.items()
        }
        for name, commands in texts.items()
    }
