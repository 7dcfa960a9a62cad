"""The executor's own verbs, each in a process: what .dockerignore means and how registries are spoken to."""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Mapping

from kubectl_imagebuild.errors import PluginError
from kubectl_imagebuild.writing import one_line

_PACKAGE = "yadokari_builder"


def run(*arguments: str, environment: Mapping[str, str]) -> str:
    """Run a verb and return what it prints; raises PluginError with what it complains of."""
    if importlib.util.find_spec(_PACKAGE) is None:
        raise PluginError(
            "a folder as build context needs all of Yadokari, and this is the plugin alone: install it from"
            " a checkout of Yadokari, by 'uv tool install FOLDER'"
        )
    home = environment.get("HOME", "")
    done = subprocess.run(
        [sys.executable, "-m", _PACKAGE, *arguments],
        env={
            "DOCKER_CONFIG": f"{home}/.docker",
            **environment,
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        lines = done.stderr.splitlines() or ["it ended without a word"]
        raise PluginError(one_line(lines[-1]).removeprefix("error: "))
    return done.stdout.strip()
