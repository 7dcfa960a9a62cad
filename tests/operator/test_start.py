"""How the operator's process starts, and ends."""

import subprocess
import sys

import pytest

STOPPED_WHILE_LOADING = """
import importlib.abc, os, runpy, signal, sys

class Stop(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "kopf":
            os.kill(os.getpid(), signal.{name})

sys.meta_path.insert(0, Stop())
runpy.run_module("yadokari_operator", run_name="__main__")
"""


@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 0), ("SIGWINCH", 1)])
def test_it_ends_by_itself_when_it_is_stopped_before_it_works(name: str, code: int) -> None:
    # What is not handled does not end process 1 of a container, and the kubelet waits half a minute.
    program = STOPPED_WHILE_LOADING.replace("{name}", name)
    environment = {"PYTHONPATH": ":".join(filter(None, sys.path)), "KUBECONFIG": "/nowhere"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, check=False)
    assert done.returncode == code, done.stderr.decode()
    assert b"Traceback" not in done.stderr
