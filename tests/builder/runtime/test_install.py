"""The program that starts the executor, as process 1 of a container."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from runtime.install import install
from runtime.places import library_folder
from yadokari_builder.run.cancellation import SIGNALS

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="process namespaces need root")

BUILD = """
import os, sys
print("begun", flush=True)
sys.stdin.read()
from yadokari_builder.run.cancellation import Cancellation
try:
    with Cancellation(lambda: os._exit(98)):
        import time
        time.sleep(20)
except KeyboardInterrupt:
    sys.exit(143)
"""
LOGIN = """
import sys
print("begun", flush=True)
sys.stdin.read()
from pathlib import Path
from yadokari_builder.command.verbs import run
sys.exit(run(["login", "r.example", "-u", "me", "--password-stdin"], {}, Path("/"), sys.stdout, sys.stderr))
"""


@needs_root
@pytest.mark.parametrize(
    ("verb", "number"),
    [*((BUILD, number) for number in sorted(SIGNALS)), (LOGIN, signal.SIGTERM), (LOGIN, signal.SIGINT)],
    ids=lambda it: {BUILD: "build", LOGIN: "login"}.get(it, it),
)
def test_a_signal_that_comes_before_the_executor_is_ready_is_not_lost(
    tmp_path: Path, verb: str, number: int
) -> None:
    tree, packages = tmp_path / "tree", tmp_path / "packages"
    (packages / "yadokari_builder").mkdir(parents=True)
    real = next(path for path in map(Path, sys.path) if (path / "yadokari_builder").is_dir())
    begin = f"import sys\nsys.path.insert(0, {str(real)!r})\ndel sys.modules['yadokari_builder']\n"
    (packages / "yadokari_builder/__init__.py").touch()
    (packages / "yadokari_builder/__main__.py").write_text(begin + verb)
    library_folder(tree).mkdir(parents=True)
    install(tree, packages)
    with subprocess.Popen(
        ["unshare", "--pid", "--fork", "--kill-child", sys.executable, tree / "yadokari/executor"],
        env={"PYTHONPATH": str(library_folder(tree))},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as container:  # fmt: skip
        assert container.stdin
        assert container.stdout
        assert container.stdout.readline() == "begun\n"
        children = Path(f"/proc/{container.pid}/task/{container.pid}/children").read_text().split()
        os.kill(int(children[0]), number)
        container.stdin.close()
        assert container.wait(timeout=30) == 143
