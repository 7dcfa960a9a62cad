"""Git repositories by ssh, from OpenSSH's own server."""

import gc
import os
import socket
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
import urllib3

from support.contexts import files, opened
from support.git import WHY_NO_GIT, git, make_repository
from support.sshd import USER, WHY_NO_SSHD, Sshd, connect, make_key, running_agent, running_sshd
from yadokari_builder.dockerfile.gitref import parse_git_ref
from yadokari_builder.errors import ContextError, DownloadError, UsageError
from yadokari_builder.sources.git import GitSource
from yadokari_builder.sources.ssh.access import SshAccess, read_access
from yadokari_builder.sources.ssh.connection import Command, Server
from yadokari_builder.sources.ssh.vendor import server_of

WHY_NOT = WHY_NO_GIT or WHY_NO_SSHD
pytestmark = [
    pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT),
    # dulwich leaves what it speaks to to the garbage collector where a server refuses.
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
]


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """Have it collected here, where that is no error, and not in a test that comes later."""
    yield
    gc.collect()


@dataclass(frozen=True)
class Served:
    """A repository of two commits, the first tagged v1, the second with a submodule, both by ssh."""

    sshd: Sshd
    place: Path
    old: str
    new: str

    @property
    def url(self) -> str:
        return f"{self.sshd.site}{self.place}/project.git"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    place = tmp_path_factory.mktemp("served")
    library = place / "library.git"
    library.mkdir()
    (library / "file").write_text("of the library")
    make_repository(library)
    project = place / "project.git"
    (project / "docs").mkdir(parents=True)
    (project / "docs/page").write_text("page")
    make_repository(project)
    git(project, "tag", "-a", "-m", "tag", "v1")
    old = git(project, "rev-parse", "HEAD")
    git(project, "submodule", "add", "-q", "../library.git", "vendor")
    (project / "docs/page").write_text("second page")
    git(project, "commit", "-qam", "second")
    with running_sshd(place / "sshd") as sshd:
        yield Served(sshd, place, old, git(project, "rev-parse", "HEAD"))


def check_out(text: str, access: SshAccess, folder: Path) -> str:
    ref = parse_git_ref(text)
    assert ref is not None
    for name in ("out", "scratch"):
        (folder / name).mkdir()
    source = GitSource(urllib3.PoolManager(), folder / "scratch", access)
    return source.check_out(ref, folder / "out", keep_git_dir=False).commit


def test_a_context_comes_with_its_submodules(served: Served, tmp_path: Path) -> None:
    context = opened(served.url, tmp_path, ssh=served.sshd.access())
    assert context.resolved == served.new
    found = files(context)
    assert (found["docs/page"], found["vendor/file"]) == ("second page", "of the library")


@pytest.mark.parametrize("which", ["#v1", "#main#{old}", "#{old}", "#v1:docs"])
def test_a_context_may_be_a_ref_a_commit_or_a_folder(served: Served, tmp_path: Path, which: str) -> None:
    location = served.url + which.format(old=served.old)
    context = opened(location, tmp_path, ssh=served.sshd.access())
    assert context.resolved == served.old
    assert files(context)["page" if ":" in which else "docs/page"] == "page"


@pytest.mark.parametrize(("ref", "is_old"), [("", False), ("#main", False), ("#v1", True)])
def test_a_commit_is_found_without_being_fetched(
    served: Served, tmp_path: Path, ref: str, is_old: bool
) -> None:
    found = parse_git_ref(f"{served.url}{ref}")
    assert found is not None
    source = GitSource(urllib3.PoolManager(), tmp_path, served.sshd.access())
    assert source.find_commit(found) == (served.old if is_old else served.new)
    assert os.listdir(tmp_path) == []


def test_a_repository_is_named_as_for_scp_too(served: Served, tmp_path: Path) -> None:
    known = {"known_hosts": served.sshd.known_hosts(host="forge.example")}
    asked: list[tuple[str, int]] = []

    def dial(host: str, port: int) -> socket.socket:
        asked.append((host, port))
        return socket.create_connection(("127.0.0.1", served.sshd.port), 10)

    access = served.sshd.access(dial=dial, known=known)
    name = f"{USER}@forge.example:{served.place}/project.git"
    assert check_out(name, access, tmp_path) == served.new
    assert (tmp_path / "out/vendor/file").read_text() == "of the library"
    assert set(asked) == {("forge.example", 22)}


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_each_usual_kind_of_key_opens_a_server_known_by_a_key_of_that_kind(
    served: Served, tmp_path: Path, kind: str
) -> None:
    known = {"known_hosts": served.sshd.known_hosts(kind)}
    access = served.sshd.access(private_key=served.sshd.key(kind), known=known)
    assert check_out(served.url, access, tmp_path) == served.new


def test_a_key_may_have_the_line_ends_of_a_web_page_s_form(served: Served, tmp_path: Path) -> None:
    access = served.sshd.access(private_key=served.sshd.key().strip().replace("\n", "\r\n"))
    assert check_out(served.url, access, tmp_path) == served.new


def test_an_agent_s_key_opens_a_server(served: Served, tmp_path: Path) -> None:
    with running_agent(tmp_path, served.sshd.key()) as agent:
        access = served.sshd.access(private_key="", agent=agent)
        assert check_out(served.url, access, tmp_path) == served.new


def test_an_agent_is_asked_where_the_key_is_not_taken(served: Served, tmp_path: Path) -> None:
    with running_agent(tmp_path, served.sshd.key()) as agent:
        access = served.sshd.access(private_key=make_key(tmp_path / "other"), agent=agent)
        assert check_out(served.url, access, tmp_path) == served.new


def test_an_unknown_server_is_refused_with_what_it_shows(served: Served, tmp_path: Path) -> None:
    with pytest.raises(ContextError) as caught:
        check_out(served.url, served.sshd.access(known={}), tmp_path)
    message = str(caught.value)
    assert f"[127.0.0.1]:{served.sshd.port} is not known: it shows the key SHA256:" in message
    line = message.split('"')[1]
    trusting = served.sshd.access(known={"SSH_KNOWN_HOSTS": line})
    again = tmp_path / "again"
    again.mkdir()
    assert check_out(served.url, trusting, again) == served.new


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
def test_a_server_with_another_key_than_the_known_one_is_refused(
    served: Served, tmp_path: Path, kind: str
) -> None:
    make_key(tmp_path / "other", kind)
    other = (tmp_path / "other.pub").read_text()
    known = {"known_hosts": f"[127.0.0.1]:{served.sshd.port} {other}"}
    with pytest.raises(ContextError, match="none of those that are known of it"):
        check_out(served.url, served.sshd.access(known=known), tmp_path)


def test_a_server_with_a_revoked_key_is_refused(served: Served, tmp_path: Path) -> None:
    line = served.sshd.known_hosts()
    with pytest.raises(ContextError, match="which is revoked"):
        check_out(served.url, served.sshd.access(known={"k": f"{line}\n@revoked {line}"}), tmp_path)


def test_a_server_that_is_not_trusted_gets_to_see_no_key(served: Served, tmp_path: Path) -> None:
    before = (served.sshd.folder / "log").read_text()
    with pytest.raises(ContextError):
        check_out(served.url, served.sshd.access(known={}), tmp_path)
    new = (served.sshd.folder / "log").read_text().removeprefix(before)
    assert "ublickey" not in new
    assert USER not in new


@pytest.mark.parametrize(
    ("key", "words"),
    [("", "wants a key: give one in SSH_PRIVATE_KEY"), ("nonsense", "SSH_PRIVATE_KEY is no private key")],
)
def test_a_key_that_is_none_is_an_error_that_says_so(
    served: Served, tmp_path: Path, key: str, words: str
) -> None:
    with pytest.raises(ContextError, match=words):
        check_out(served.url, served.sshd.access(private_key=key), tmp_path)


def test_a_key_with_a_passphrase_is_an_error_that_says_so(served: Served, tmp_path: Path) -> None:
    key = make_key(tmp_path / "locked", passphrase="secret words")
    with pytest.raises(ContextError, match="without a passphrase"):
        check_out(served.url, served.sshd.access(private_key=key), tmp_path)


def test_a_key_that_the_server_does_not_take_is_an_error_without_the_key(
    served: Served, tmp_path: Path
) -> None:
    key = make_key(tmp_path / "other")
    access = served.sshd.access(private_key=key)
    with pytest.raises(ContextError, match=f"lets {USER} in with none of the keys") as caught:
        check_out(served.url, access, tmp_path)
    assert not any(line in f"{caught.value}{access!r}" for line in key.splitlines())


def test_a_repository_that_is_not_there_is_an_error_with_the_server_s_words(
    served: Served, tmp_path: Path
) -> None:
    with pytest.raises(ContextError, match="does not appear to be a git repository"):
        check_out(f"{served.sshd.site}/nowhere.git", served.sshd.access(), tmp_path)


def test_a_path_is_no_shell_s_text(served: Served, tmp_path: Path) -> None:
    with pytest.raises(ContextError):
        check_out(f"{served.sshd.site}/x'$(touch {tmp_path}/made)'.git", served.sshd.access(), tmp_path)
    assert not (tmp_path / "made").exists()


def test_a_server_that_is_not_there_may_be_tried_again(tmp_path: Path) -> None:
    def refuse(host: str, port: int) -> socket.socket:
        raise ConnectionRefusedError(111, "Connection refused")

    with pytest.raises(DownloadError, match=r"forge\.example cannot be reached by ssh: Connection refused"):
        check_out("git@forge.example:x.git", SshAccess(refuse), tmp_path)


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0-x\r\n" + b"\xff" * 999])
def test_a_server_that_speaks_no_ssh_is_an_error_in_words(tmp_path: Path, said: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def dial(host: str, port: int) -> socket.socket:
            connection = socket.create_connection(listener.getsockname(), 10)
            other, _ = listener.accept()
            with other:
                other.sendall(said)
            return connection

        with pytest.raises(DownloadError, match=r"h cannot be reached by ssh: \S.*") as caught:
            check_out("git@h:x.git", SshAccess(dial, private_key="k"), tmp_path)
    assert str(caught.value).isprintable()


def test_a_server_that_ends_in_the_middle_may_be_asked_again(served: Served, tmp_path: Path) -> None:
    command = Command(
        Server("127.0.0.1", USER, served.sshd.port), served.sshd.access(), b"echo begun; kill -9 $PPID", {}
    )
    with closing(command), pytest.raises(ConnectionError):
        command.read(100)


def test_a_program_says_what_it_says_on_both_ways(served: Served) -> None:
    script = b"head -c 3000000 /dev/zero; echo words >&2; exit 1"
    command = Command(Server("127.0.0.1", USER, served.sshd.port), served.sshd.access(), script, {})
    with closing(command):
        assert len(command.read()) == 3_000_000
        assert command.stderr.read() == b"words\n"


def test_keys_are_variables_or_files_that_they_name(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("a key")
    for given in ("a key", f"{tmp_path}/key"):
        environment = {"SSH_PRIVATE_KEY": given, "SSH_KNOWN_HOSTS": "h t k", "SSH_AUTH_SOCK": "/agent"}
        access = read_access(environment, "", connect, tmp_path)
        assert (access.private_key, access.agent) == ("a key", "/agent")
        assert access.known == {"SSH_KNOWN_HOSTS": "h t k"}
    assert read_access(environment, "/other", connect, tmp_path).agent == "/other"


def test_servers_are_known_from_the_usual_files_unless_a_variable_names_them(tmp_path: Path) -> None:
    (tmp_path / "root/.ssh").mkdir(parents=True)
    (tmp_path / "root/.ssh/known_hosts").write_text("own")
    assert read_access({}, "", connect, tmp_path).known == {"/root/.ssh/known_hosts": "own"}


@pytest.mark.parametrize("name", ["SSH_PRIVATE_KEY", "SSH_KNOWN_HOSTS"])
def test_a_file_that_is_not_there_is_an_error_that_names_it(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=f"{name} names /nowhere, which cannot be read"):
        read_access({name: "/nowhere"}, "", connect, tmp_path)


@pytest.mark.parametrize(
    ("remote", "server"),
    [
        ("git@forge.example:a/b.git", ("forge.example", "git", 22, "a/b.git")),
        ("ssh://forge.example/a/b.git", ("forge.example", "git", 22, "/a/b.git")),
        ("ssh://me@forge.example:2222/~/b.git", ("forge.example", "me", 2222, "/~/b.git")),
        ("ssh://[::1]:22/b%20c.git", ("::1", "git", 22, "/b c.git")),
    ],
)
def test_a_remote_names_a_server_and_a_path(remote: str, server: tuple[str, str, int, str]) -> None:
    found, path = server_of(remote)
    assert (found.host, found.user, found.port, path) == server


@pytest.mark.parametrize(
    "remote", ["ssh:///x", "ssh://-oProxyCommand=x/y", "ssh://h:99999/x", "ssh://a:b@h/x"]
)
def test_a_remote_that_cannot_be_is_refused(remote: str) -> None:
    with pytest.raises(ContextError):
        server_of(remote)
