"""How the operator's process starts, and ends."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from support.apiserver import ApiServer, serve
from support.operator_process import OperatorProcess, wait_until

STOPPED_WHILE_LOADING = """
import importlib.abc, os, runpy, signal, sys

class Stop(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "kopf":
            os.kill(os.getpid(), signal.{name})

sys.meta_path.insert(0, Stop())
runpy.run_module("yadokari_operator", run_name="__main__")
"""


@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 0), ("SIGINT", 0), ("SIGWINCH", 1)])
def test_it_ends_by_itself_when_it_is_stopped_before_it_works(name: str, code: int) -> None:
    # What is not handled does not end process 1 of a container, and the kubelet waits half a minute.
    program = STOPPED_WHILE_LOADING.replace("{name}", name)
    environment = {"PYTHONPATH": ":".join(filter(None, sys.path)), "KUBECONFIG": "/nowhere"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, check=False)
    assert done.returncode == code, done.stderr.decode()
    assert b"Traceback" not in done.stderr


@pytest.mark.long
@pytest.mark.parametrize("name", ["METRICS", "HEALTH"])
def test_an_address_that_is_taken_is_told_by_its_setting(tmp_path: Path, name: str) -> None:
    config = kubeconfig("http://127.0.0.1:1", tmp_path / "kubeconfig")
    operator = OperatorProcess(config, "team", tmp_path / "log")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        operator.start(**{f"YADOKARI_{name}_ADDRESS": address})
        assert operator.wait() == 1
    assert f"YADOKARI_{name}_ADDRESS is {address}" in operator.log
    assert "Address already in use" in operator.log
    assert len(operator.log.splitlines()) == 1


def serves_metrics(operator: OperatorProcess) -> bool:
    with socket.socket() as asked:
        return asked.connect_ex(("127.0.0.1", operator.metrics_port)) == 0


def works(operator: OperatorProcess) -> bool:
    return "this operator works" in operator.log


@pytest.mark.long
@pytest.mark.parametrize("is_so_far", [serves_metrics, works])
def test_it_ends_in_order_however_often_it_is_told_to(
    tmp_path: Path, is_so_far: Callable[[OperatorProcess], bool]
) -> None:
    server = ApiServer()
    with serve(server):
        operator = OperatorProcess(kubeconfig(server.url, tmp_path / "kubeconfig"), "team", tmp_path / "log")
        operator.start()
        wait_until(lambda: is_so_far(operator))
        # Both come before it looks at either.
        for one in (signal.SIGSTOP, signal.SIGTERM, signal.SIGINT, signal.SIGCONT):
            operator.send(one)
        for _ in range(100):
            operator.send(signal.SIGTERM)
            time.sleep(0.01)
        assert operator.wait() == 0, operator.log
    assert "Traceback" not in operator.log
    # Another may work at once.
    assert all(not server.get("leases", it)["spec"]["holderIdentity"] for it in server.names("leases"))


def kubeconfig(url: str, file: Path) -> Path:
    """Write how a server is reached of which nobody knows who asks."""
    content = {
        "current-context": "it",
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
        "clusters": [{"name": "it", "cluster": {"server": url}}],
        "users": [{"name": "it", "user": {"token": "it"}}],
    }
    file.write_text(yaml.safe_dump(content))
    return file
