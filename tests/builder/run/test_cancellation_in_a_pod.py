"""A build that is asked to end, whatever it is waiting for."""

import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.pod import why_no_containers
from support.pod.api import COMMAND

pytestmark = [
    pytest.mark.pod,
    pytest.mark.skipif(bool(why_no_containers()), reason=why_no_containers() or ""),
]


@pytest.fixture
def silent() -> Iterator[str]:
    """A registry that takes every connection and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        held: list[socket.socket] = []

        def accept() -> None:
            while True:
                try:
                    held.append(server.accept()[0])
                except OSError:
                    return

        threading.Thread(target=accept, daemon=True).start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
        for connection in held:
            connection.close()


def cancelled(
    folder: Path, dockerfile: str, sign: str, *arguments: str, kind: str = "baseline"
) -> tuple[int, float, str]:
    """Build, ask for the end once `sign` is in the log; returns exit code, seconds until then, the log."""
    (folder / "Dockerfile").write_text(dockerfile)
    command = [
        str(COMMAND),
        f"--kind={kind}",
        f"--bind={folder}",
        "--",
        f"--context=dir://{folder}",
        *arguments,
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as pod:
        assert pod.stdout
        log = ""
        while sign not in log and (line := pod.stdout.readline()):
            log += line
        time.sleep(0.5)
        begin = time.monotonic()
        pod.terminate()
        log += pod.stdout.read()
        return pod.wait(), time.monotonic() - begin, log


@pytest.mark.parametrize("kind", ["baseline", "lodging"])
def test_a_running_step_ends_at_once(tmp_path: Path, kind: str) -> None:
    dockerfile = "FROM busybox\nRUN echo begun; while :; do sleep 0.1; done\n"
    code, seconds, log = cancelled(tmp_path, dockerfile, "\nbegun", "--no-push", kind=kind)
    assert (code, seconds < 3) == (143, True), log
    assert log.endswith("error: the build was cancelled\n")


def test_a_step_that_is_the_first_process_of_its_own_ends_at_once_with_all_that_it_started(
    tmp_path: Path,
) -> None:
    dockerfile = (
        "FROM busybox\nRUN --mount=type=cache,target=/c trap 'echo told' TERM; (setsid sleep 1000 &);"
        " echo begun; while :; do sleep 0.1; done\n"
    )
    code, seconds, log = cancelled(tmp_path, dockerfile, "\nbegun", "--no-push", kind="namespaces")
    assert (code, seconds < 3) == (143, True), log
    assert "\ntold" not in log
    assert log.endswith("error: the build was cancelled\n")


def test_a_registry_that_does_not_answer_is_not_waited_for(tmp_path: Path, silent: str) -> None:
    base = ["--no-push", f"--insecure-registry={silent}"]
    code, seconds, log = cancelled(tmp_path, f"FROM {silent}/base:1\n", "resolving", *base)
    assert (code, seconds < 3) == (143, True), log


def test_a_registry_that_does_not_take_the_push_is_not_waited_for_for_long(
    tmp_path: Path, silent: str
) -> None:
    push = [f"--destination={silent}/image:1", "--insecure"]
    code, seconds, log = cancelled(tmp_path, "FROM busybox\nRUN echo begun\n", "resolving", *push)
    assert (code, seconds < 15) == (143, True), log
