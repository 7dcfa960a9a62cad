import os
import socket
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from yadokari_builder.errors import RunError, UsageError
from yadokari_builder.rootfs.boundary import Boundary
from yadokari_builder.run.mounts.mounted import mounted
from yadokari_builder.run.mounts.ssh import SshMount, parse_agents


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[str]:
    """A socket that answers each message with itself in capitals."""
    path = str(tmp_path / "agent")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()

    def answer(connection: socket.socket) -> None:
        with connection:
            while data := connection.recv(1000):
                connection.sendall(data.upper())

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(connection,)).start()

    thread = threading.Thread(target=serve)
    thread.start()
    yield path
    listener.shutdown(socket.SHUT_RDWR)
    thread.join()
    listener.close()


def test_a_step_reaches_the_agent_and_no_socket_is_left(tmp_path: Path, agent: str) -> None:
    root = tmp_path / "root"
    root.mkdir()
    target = "/run/buildkit/ssh_agent.0"
    threads = threading.active_count()
    with mounted(
        [SshMount(target, agent, mode=0o660)], boundary=Boundary(root), shelter=str(tmp_path / "shelter")
    ):
        path = str(root) + target
        assert stat.S_ISSOCK(os.stat(path).st_mode)
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o660
        for _ in range(3):
            assert talk(path, b"hello", b"again") == [b"HELLO", b"AGAIN"]
    assert list(root.iterdir()) == []
    for thread in threading.enumerate():
        if thread.name.startswith("ssh"):
            thread.join(60)
    assert threading.active_count() <= threads


def test_a_step_reaches_the_agent_where_what_the_executor_keeps_is_on_a_volume(
    tmp_path: Path, agent: str
) -> None:
    root = tmp_path / "root"
    root.mkdir()
    with TemporaryDirectory(dir="/dev/shm") as volume:
        assert os.stat(volume).st_dev != os.stat(root).st_dev
        with mounted([SshMount("/agent", agent)], boundary=Boundary(root), shelter=volume):
            assert talk(f"{root}/agent", b"hello") == [b"HELLO"]
    assert list(root.iterdir()) == []


def test_an_agent_that_is_gone_ends_the_connection(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    mount = SshMount("/agent", str(tmp_path / "nothing"))
    placed = mounted([mount], boundary=Boundary(root), shelter=str(tmp_path / "shelter"))
    with placed, socket.socket(socket.AF_UNIX) as client:
        client.settimeout(5)
        client.connect(str(root / "agent"))
        assert client.recv(1) == b""


def test_agents_are_named_as_docker_build_names_them(agent: str) -> None:
    agents = parse_agents(["default", f"other={agent}"], {"SSH_AUTH_SOCK": agent})
    assert agents.find("default", required=True) == agent
    assert agents.find("other", required=True) == agent
    assert agents.find("third", required=False) is None
    with pytest.raises(RunError, match='no SSH key "third" forwarded from the client'):
        agents.find("third", required=True)


def test_what_is_no_agent_is_refused(tmp_path: Path) -> None:
    (tmp_path / "id_rsa").write_text("key")
    with pytest.raises(UsageError, match="SSH_AUTH_SOCK is not set"):
        parse_agents(["default"], {})
    with pytest.raises(UsageError, match="is not an agent's socket"):
        parse_agents([f"default={tmp_path / 'id_rsa'}"], {})


def talk(path: str, *messages: bytes) -> list[bytes]:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(5)
        descriptor = os.open(os.path.dirname(path), os.O_PATH)
        client.connect(f"/proc/self/fd/{descriptor}/{os.path.basename(path)}")
        os.close(descriptor)
        answers = []
        for message in messages:
            client.sendall(message)
            answers.append(client.recv(1000))
        return answers
