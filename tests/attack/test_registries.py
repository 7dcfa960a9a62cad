"""Registries and web servers by attackers: they get no credentials but their own, and lead nowhere else."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.hostile import hostile_server, saying
from support.lying_registry import LAYER, LyingRegistry, lying_registry
from support.registry import PASSWORD, docker_config
from support.site import Site
from yadokari_builder.errors import BuilderError

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a build is root's")

LINK_LOCAL = ["169.254.169.254", "[fe80::1]", "[::ffff:169.254.169.254]"]


@pytest.fixture
def registry() -> Iterator[LyingRegistry]:
    with lying_registry() as running:
        yield running


@pytest.fixture
def other() -> Iterator[LyingRegistry]:
    with lying_registry() as running:
        yield running


def refusal(folder: Path, host: str, dockerfile: str, owner: str = "", **fields: Any) -> str:
    """Build with the password of `owner`; returns why that fails, soon and without showing it."""
    login = {"DOCKER_AUTH_CONFIG": docker_config(owner or host)}
    session = Site(folder, host).session(dockerfile, login, **fields)
    started = time.monotonic()
    with pytest.raises(BuilderError) as caught:
        session.run()
    assert time.monotonic() - started < 120
    assert PASSWORD not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("address", LINK_LOCAL)
def test_a_registry_does_not_lead_to_the_nodes_metadata(
    tmp_path: Path, registry: LyingRegistry, address: str
) -> None:
    registry.put_image(b"layer")
    registry.redirects["latest"] = f"http://{address}/latest/meta-data/iam/"
    why = refusal(tmp_path, registry.host, f"FROM {registry.host}/app\nCOPY Dockerfile /\n")
    assert f"redirects to http://{address}, which is of the node alone" in why


def test_a_registrys_layers_do_not_lead_to_the_nodes_metadata(
    tmp_path: Path, registry: LyingRegistry
) -> None:
    registry.put_image(b"layer")
    for name, (_, kind) in registry.held.items():
        if kind == LAYER:
            registry.redirects[name] = "http://169.254.169.254/latest/"
    site = Site(tmp_path, registry.host)
    with pytest.raises(BuilderError, match="which is of the node alone"):
        site.build(f"FROM {registry.host}/app\nCOPY Dockerfile /\n", materialize=True)


@pytest.mark.parametrize("address", LINK_LOCAL)
def test_a_token_is_not_fetched_from_the_nodes_metadata(tmp_path: Path, address: str) -> None:
    challenge = f'HTTP/1.1 401 x\r\nWWW-Authenticate: Bearer realm="http://{address}/token"\r\n\r\n'
    with hostile_server(saying(challenge.encode())) as host:
        assert "that address is of the node alone" in refusal(tmp_path, host, f"FROM {host}/app\nRUN true\n")


@pytest.mark.parametrize("address", LINK_LOCAL)
def test_a_file_of_the_web_does_not_lead_to_the_nodes_metadata(tmp_path: Path, address: str) -> None:
    answer = f"HTTP/1.1 302 x\r\nLocation: http://{address}/latest/\r\nContent-Length: 0\r\n\r\n"
    with (
        hostile_server(saying(answer.encode())) as host,
        pytest.raises(BuilderError, match="of the node alone"),
    ):
        Site(tmp_path, host).build(f"FROM scratch\nADD http://{host}/file /\n")


def authorized(registry: LyingRegistry) -> list[str]:
    return [path for path, headers in registry.asked if "Authorization" in headers]


@pytest.mark.parametrize("what", ["manifest", "layer"])
def test_credentials_do_not_follow_a_redirect(
    tmp_path: Path, registry: LyingRegistry, other: LyingRegistry, what: str
) -> None:
    registry.wants_password = True
    registry.put_image(b"layer")
    for name, (_, kind) in registry.held.items():
        if (kind == LAYER) == (what == "layer"):
            registry.redirects[name] = f"http://{other.host}/{name}"
    refusal(tmp_path, registry.host, f"FROM {registry.host}/app\nCOPY Dockerfile /\n", materialize=True)
    assert authorized(registry)
    assert other.asked
    assert not authorized(other)


def test_a_registry_that_asks_for_a_password_gets_none_of_another(
    tmp_path: Path, registry: LyingRegistry, other: LyingRegistry
) -> None:
    registry.wants_password = True
    refusal(tmp_path, registry.host, f"FROM {registry.host}/app\nRUN true\n", owner=other.host)
    assert registry.asked
    assert not authorized(registry)


def test_a_token_server_of_another_host_gets_only_what_is_for_the_registry_that_names_it(
    tmp_path: Path, other: LyingRegistry
) -> None:
    challenge = f'HTTP/1.1 401 x\r\nWWW-Authenticate: Bearer realm="http://{other.host}/token"\r\n\r\n'
    with hostile_server(saying(challenge.encode())) as host:
        refusal(tmp_path, host, f"FROM {host}/app\nRUN true\n", owner="127.0.0.1:1")
    assert other.asked
    assert not authorized(other)
