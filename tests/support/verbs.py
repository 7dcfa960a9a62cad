"""The executor's verbs beside building, each run in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

from support.executor import Ended

_BUILDER = Path(__file__).parents[2] / "builder"


def run_verb(*arguments: str, stdin: str = "", **environment: str) -> Ended:
    """Run a verb; nothing of the test's own environment is meant for it but PATH."""
    done = subprocess.run(
        [sys.executable, "-m", "yadokari_builder", *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(_BUILDER), **environment},
    )
    return Ended(done.returncode, done.stdout, done.stderr, {})
