"""The command `tests/pod`."""

import argparse
import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from support.folders import scratch_folder
from support.pod import mirror
from support.pod.bundle import Bind
from support.pod.images import RECIPES, built
from support.pod.kinds import KINDS
from support.pod.machine import why_no_containers
from support.pod.run import Pod, run


def main(arguments: Sequence[str], description: str) -> int:
    """Run the command; returns the executor's exit code."""
    options = _parser(description).parse_args(arguments)
    if reason := why_no_containers():
        print(f"pod: no container can be run here: {reason}", file=sys.stderr)
        return 125
    if options.down:
        _take_down()
        return 0
    try:
        report, folder = run(_pod(options))
    except (OSError, RuntimeError) as error:
        print(f"pod: {error}", file=sys.stderr)
        return 125
    if options.report:
        options.report.write_text(json.dumps(asdict(report)) + "\n")
    if options.keep:
        print(f"pod: what it wrote is in {folder}/upper", file=sys.stderr)
    return report.exit_code


def _take_down() -> None:
    """Stop the registry; delete what a next call would make again."""
    mirror.down()
    for name in ("buildah", "layers"):
        shutil.rmtree(scratch_folder() / name, ignore_errors=True)


def _pod(options: argparse.Namespace) -> Pod:
    arguments = options.arguments[1:] if options.arguments[:1] == ["--"] else options.arguments
    entrypoint = options.entrypoint.split() if options.entrypoint else []
    mirrored = any(argument.startswith("--registry-mirror") for argument in arguments)
    if options.mirror and not mirrored and not entrypoint:
        address = mirror.running()
        arguments = [*arguments, f"--registry-mirror={address}", f"--insecure-registry={address}"]
    kind = KINDS[options.kind]
    root = options.root or kind.lodging
    if root and not entrypoint:
        own = [f"--lodging-env={pair.partition('=')[0]}" for pair in options.env]
        arguments = [f"--lodging={root.partition('@')[0]}@{mirror.digest(root)}", *own, *arguments]
    return Pod(
        image=built(options.image) if options.image in RECIPES else Path(options.image),
        arguments=arguments,
        binds=options.bind,
        environment=dict(pair.split("=", 1) for pair in options.env),
        entrypoint=entrypoint,
        memory=options.memory,
        kind=kind,
        root=mirror.layout(root) if root else None,
        keep=options.keep,
    )


def _parser(description: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tests/pod", description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--bind", action="append", default=[], type=Bind.parse, metavar="DIR[:DEST][:rw]",
        help="show a file or folder; :rw makes one that is missing")  # fmt: skip
    add("--env", action="append", default=[], metavar="NAME=VALUE", help="set a variable of the environment")
    add("--image", default="executor", help="executor (default), debug, or the folder of an OCI layout")
    add(
        "--root",
        metavar="IMAGE",
        help="be the container of this image of the mirror, which the executor is told",
    )
    add("--entrypoint", metavar="PROGRAM", help="run this instead of the executor; no mirror is added then")
    add("--memory", type=int, metavar="BYTES", help="limit the memory")
    add("--kind", choices=KINDS, default="baseline", help="what the pod may do: see support/pod/kinds.py")
    add("--report", type=Path, metavar="FILE", help="write as JSON what the executor used")
    add("--keep", action="store_true", help="keep what was written into the root")
    add(
        "--no-mirror",
        dest="mirror",
        action="store_false",
        help="leave docker.io what it is; for verbs that pull nothing, too",
    )
    add("--down", action="store_true", help="stop the registry, delete what lies on tmpfs")
    add("arguments", nargs=argparse.REMAINDER, metavar="-- ARGUMENTS", help="the executor's arguments")
    return parser
