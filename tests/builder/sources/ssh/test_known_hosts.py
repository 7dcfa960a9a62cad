"""known_hosts files, read as OpenSSH reads them."""

import subprocess
from pathlib import Path

import pytest

from support.sshd import WHY_NO_SSHD, make_key
from yadokari_builder.errors import ContextError
from yadokari_builder.sources.ssh.known_hosts import HostKey, KnownHosts, host_name

pytestmark = pytest.mark.skipif(bool(WHY_NO_SSHD), reason=WHY_NO_SSHD)


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Two public keys, type and text."""
    folder = tmp_path_factory.mktemp("keys")
    for name, kind in (("a", "ed25519"), ("b", "rsa")):
        make_key(folder / name, kind)
    return [" ".join((folder / f"{name}.pub").read_text().split()[:2]) for name in ("a", "b")]


def kinds(text: str, host: str) -> list[str]:
    return [key.kind for key in KnownHosts.parse(text, "known_hosts").keys(host)]


@pytest.mark.parametrize(
    ("hosts", "host", "is_known"),
    [
        ("forge.example", "forge.example", True),
        ("FORGE.example", "forge.example", True),
        ("forge.example", "other.example", False),
        ("a.example,b.example", "b.example", True),
        ("*.example", "forge.example", True),
        ("f?rge.example", "forge.example", True),
        ("*.example,!forge.example", "forge.example", False),
        ("forge.example", "[forge.example]:2222", False),
        ("[forge.example]:2222", "[forge.example]:2222", True),
        ("for.e.example", "forge.example", False),
    ],
)
def test_hosts_are_patterns(keys: list[str], hosts: str, host: str, is_known: bool) -> None:
    assert bool(kinds(f"# comment\n\n{hosts} {keys[0]} a comment\n", host)) == is_known


def test_a_host_may_have_several_keys(keys: list[str]) -> None:
    text = f"forge.example {keys[0]}\nother.example {keys[1]}\nforge.example {keys[1]}\n"
    assert kinds(text, "forge.example") == ["ssh-ed25519", "ssh-rsa"]


def test_names_that_ssh_keygen_has_hashed_are_found(keys: list[str], tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    file.write_text(f"forge.example {keys[0]}\n[forge.example]:2222 {keys[1]}\n")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", file], check=True, capture_output=True)
    text = file.read_text()
    assert "forge" not in text
    assert kinds(text, "forge.example") == ["ssh-ed25519"]
    assert kinds(text, "[forge.example]:2222") == ["ssh-rsa"]
    assert kinds(text, "other.example") == []


def test_a_revoked_key_is_none_of_a_host(keys: list[str]) -> None:
    known = KnownHosts.parse(f"@revoked * {keys[0]}\nforge.example {keys[0]}\n", "known_hosts")
    (entry, _) = known.entries
    assert known.keys("forge.example") == ()
    assert known.is_revoked("forge.example", entry.key)


def test_the_key_of_an_authority_is_none_of_a_host(keys: list[str]) -> None:
    assert kinds(f"@cert-authority *.example {keys[0]}\n", "forge.example") == []


@pytest.mark.parametrize(
    "line", ["forge.example", "forge.example ssh-ed25519", "h ssh-ed25519 !", "@other h ssh-ed25519 AAAA"]
)
def test_a_line_that_is_none_is_an_error_that_names_it(line: str) -> None:
    with pytest.raises(ContextError, match="known_hosts: line 2"):
        KnownHosts.parse(f"\n{line}\n", "known_hosts")


def test_a_key_of_another_type_than_its_line_says_is_an_error(keys: list[str]) -> None:
    with pytest.raises(ContextError, match="line 1"):
        KnownHosts.parse(f"h ssh-rsa {keys[0].split()[1]}", "known_hosts")


def test_the_fingerprint_is_that_which_ssh_keygen_shows(keys: list[str], tmp_path: Path) -> None:
    file = tmp_path / "key.pub"
    file.write_text(keys[0])
    done = subprocess.run(["ssh-keygen", "-l", "-f", file], check=True, capture_output=True, text=True)
    (entry,) = KnownHosts.parse(f"h {keys[0]}", "known_hosts").entries
    assert entry.key.fingerprint == done.stdout.split()[1]
    assert entry.key.line("h") == f"h {keys[0]}"


def test_any_bytes_have_a_type_and_a_fingerprint() -> None:
    assert HostKey(b"\xff\xff\xff\xff\xff").kind == "\ufffd"
    assert HostKey(b"").fingerprint.startswith("SHA256:")


def test_a_port_of_its_own_is_part_of_a_server_s_name() -> None:
    assert host_name("Forge.example", 22) == "forge.example"
    assert host_name("forge.example", 2222) == "[forge.example]:2222"
