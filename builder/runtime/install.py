"""Installs the executor's own packages into an assembled runtime, with the programs that start them.

usage: python3 -m runtime.install TREE PACKAGES --wheels DIR
"""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

from runtime.bytecode import compile_packages
from runtime.places import HOME, library_folder

# The kernel hands over one argument. No environment, no site module, no bytecode written, UTF-8 whatever the
# locale: nothing around it changes how the executor runs.
_EXECUTOR = f"""\
#!{HOME}/bin/python3 -ISBXutf8
import _signal

# A process 1 does not get what it has no handler for. What is blocked waits for one: see run/cancellation.py.
_STOPS = (_signal.SIGTERM, _signal.SIGINT, _signal.SIGQUIT, _signal.SIGHUP)
_OTHERS = (_signal.SIGUSR1, _signal.SIGUSR2, _signal.SIGWINCH, _signal.SIGRTMIN + 3)
_signal.pthread_sigmask(_signal.SIG_BLOCK, _STOPS + _OTHERS)

import runpy
import tempfile

# /tmp belongs to the image that is built.
tempfile.tempdir = "{HOME}/tmp"
runpy.run_module("yadokari_builder", run_name="__main__", alter_sys=True)
"""
# As kaniko has a program of that name.
_WARMER = _EXECUTOR.replace("import runpy\n", "import runpy\nimport sys\n").replace(
    "runpy.run_module", 'sys.argv.insert(1, "warm")\nrunpy.run_module'
)
_RECORD = """\
import sys

sys.path[:0] = sys.argv[1:]
from yadokari_builder.generated import recorded

with recorded():
    import yadokari_builder.command.build
"""


def install(tree: Path, packages: Path) -> None:
    """Copy what is in `packages` to where a runtime of the Python that runs this finds it."""
    library = library_folder(tree)
    shutil.copytree(packages, library, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    compile_packages(tree, library)
    for name, text in (("executor", _EXECUTOR), ("warmer", _WARMER)):
        program = tree / HOME.relative_to("/") / name
        program.write_text(text)
        program.chmod(0o755)


def record_generated(tree: Path, wheels: Path) -> None:
    """Have what the installed packages write and compile at each start of a build compiled now.

    `wheels` is where the packages are that they need. Raises `CalledProcessError`.
    """
    folders = (str(library_folder(tree)), str(wheels))
    subprocess.run([sys.executable, "-ISBXutf8", "-c", _RECORD, *folders], check=True)


def main() -> None:
    """Read the arguments and install."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("tree", type=Path)
    parser.add_argument("packages", type=Path)
    parser.add_argument(
        "--wheels", type=Path, required=True, help="folder that what they need was installed into"
    )
    arguments = parser.parse_args()
    tree = arguments.tree.absolute()
    install(tree, arguments.packages)
    record_generated(tree, arguments.wheels.absolute())


if __name__ == "__main__":
    main()
