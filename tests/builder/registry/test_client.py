"""Who asks, by what channel, and what is tried again."""

import json
import logging
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from support.clients import PLAIN
from support.gate import Gate, Spoiled, running_gate, times
from support.handmade import make_image
from support.registry import (
    PASSWORD,
    Certificate,
    Registry,
    docker_config,
    free_port,
    make_certificate,
    running_registry,
)
from support.tokens import TokenServer
from yadokari_builder.errors import ImageNotFoundError, PushError, RegistryError, UnauthorizedError
from yadokari_builder.oci.platform import Platform
from yadokari_builder.oci.reference import Reference
from yadokari_builder.registry.client import RegistryClient
from yadokari_builder.registry.http.connections import Network
from yadokari_builder.registry.http.reach import Reach, Transports
from yadokari_builder.registry.http.retry import RetryPolicy
from yadokari_builder.registry.http.tls import read_trust
from yadokari_builder.registry.pull import Puller
from yadokari_builder.registry.push import Pusher

AMD64 = Platform("linux", "amd64")
ClientMaker = Callable[..., RegistryClient]


def push_and_pull(client: RegistryClient, folder: Path, name: str) -> None:
    made = make_image(folder / "image", {"a": b"1"}, {"b": b"2"})
    with Pusher(client, [Reference.parse(name)]) as pusher:
        pusher.check()
        for layer in made.layers:
            pusher.add_layer(layer)
        pusher.finish(made.image)
    pulled = Puller(client).resolve(Reference.parse(name), AMD64)
    assert pulled.image == made.image
    with pulled.layers[0].open() as blob:
        assert blob.read()


def pull(client: RegistryClient, name: str) -> None:
    Puller(client).resolve(Reference.parse(name), AMD64)


def test_passwords_are_shown_where_they_are_asked_for(
    client_with: ClientMaker, guarded_registry: Registry, tmp_path: Path, name: str
) -> None:
    push_and_pull(
        client_with(docker_config(guarded_registry.host)), tmp_path, f"{guarded_registry.host}/{name}"
    )


def test_a_wrong_password_is_unauthorized_and_in_no_error_or_log(
    client_with: ClientMaker, guarded_registry: Registry, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    client = client_with(docker_config(guarded_registry.host, password="not the password"))
    with pytest.raises(UnauthorizedError, match=r"401 Unauthorized.*as builder: that is wrong") as caught:
        pull(client, f"{guarded_registry.host}/{name}")
    assert "not the password" not in str(caught.value) + caplog.text
    assert "YnVpbGRlcjpub3Q" not in str(caught.value) + caplog.text


def test_want_of_credentials_is_told(client_with: ClientMaker, guarded_registry: Registry, name: str) -> None:
    with pytest.raises(
        UnauthorizedError,
        match=rf"{name}: cannot pull manifest latest: .*no credentials are given for it, by DOCKER_AUTH",
    ):
        pull(client_with(), f"{guarded_registry.host}/{name}")


def test_a_credential_helper_is_named_where_its_registry_wants_credentials(
    client_with: ClientMaker, guarded_registry: Registry, registry: Registry, name: str
) -> None:
    client = client_with('{"credsStore": "ecr-login"}')
    with pytest.raises(UnauthorizedError, match="docker-credential-ecr-login, which is not in"):
        pull(client, f"{guarded_registry.host}/{name}")
    with pytest.raises(ImageNotFoundError):
        pull(client, f"{registry.host}/{name}")


def test_check_finds_missing_rights_before_the_build(
    client_with: ClientMaker, guarded_registry: Registry, name: str
) -> None:
    with (
        Pusher(client_with(), [Reference.parse(f"{guarded_registry.host}/{name}")]) as pusher,
        pytest.raises(UnauthorizedError, match=r"cannot push \(begin an upload\)"),
    ):
        pusher.check()


def test_secrets_that_a_registry_repeats_are_taken_out_of_errors(
    client_with: ClientMaker, gate: Gate, name: str
) -> None:
    message = {"errors": [{"code": "DENIED", "message": f"{PASSWORD} is wrong"}]}
    gate.spoil = lambda request: (
        Spoiled(403, body=json.dumps(message).encode())
        if "Authorization" in request.headers
        else Spoiled(401, {"WWW-Authenticate": "Basic"})
    )
    with pytest.raises(UnauthorizedError, match=r"DENIED: \*\*\* is wrong"):
        pull(client_with(docker_config(gate.host)), f"{gate.host}/{name}")


def test_a_registry_with_a_private_authority_is_trusted_by_its_ca(
    client_with: ClientMaker, secure_registry: Registry, certificate: Certificate, tmp_path: Path, name: str
) -> None:
    client = client_with(docker_config(secure_registry.host), ca_file=certificate.authority)
    push_and_pull(client, tmp_path, f"{secure_registry.host}/{name}")


def test_an_unknown_authority_is_refused_at_once(
    client_with: ClientMaker, secure_registry: Registry, tmp_path: Path, name: str
) -> None:
    other = make_certificate(tmp_path / "other")
    client = client_with(ca_file=other.authority)
    with pytest.raises(RegistryError, match="certificate is not trusted") as caught:
        pull(client, f"{secure_registry.host}/{name}")
    assert not caught.value.temporary


def test_tls_with_a_registry_that_speaks_plain_http_is_a_lasting_error(
    client_with: ClientMaker, registry: Registry, certificate: Certificate, name: str
) -> None:
    client = client_with(ca_file=certificate.authority)
    with pytest.raises(RegistryError, match=r"must be declared insecure.*--insecure-registry") as caught:
        pull(client, f"{registry.host}/{name}")
    assert not caught.value.temporary


def test_plain_http_with_a_registry_that_wants_tls_says_so(
    client_with: ClientMaker, secure_registry: Registry, name: str
) -> None:
    with pytest.raises(RegistryError, match="Client sent an HTTP request to an HTTPS server"):
        pull(client_with(), f"{secure_registry.host}/{name}")


def test_a_registry_that_is_not_there_is_a_temporary_error(client_with: ClientMaker, name: str) -> None:
    host = f"127.0.0.1:{free_port()}"
    with pytest.raises(
        RegistryError, match=rf"{host}/{name}: cannot pull manifest latest: .*Connection refused"
    ) as caught:
        pull(client_with(), f"{host}/{name}")
    assert caught.value.temporary


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_temporary_answers_are_tried_again(
    client_with: ClientMaker, gate: Gate, tmp_path: Path, name: str, status: int
) -> None:
    gate.spoil = times(3, "/manifests/", Spoiled(status))
    push_and_pull(client_with(), tmp_path, f"{gate.host}/{name}")
    assert gate.count("GET", "/manifests/") == 4


def test_lasting_answers_are_not_tried_again(client_with: ClientMaker, gate: Gate, name: str) -> None:
    gate.spoil = times(9, "/manifests/", Spoiled(400))
    with pytest.raises(RegistryError, match="400 Bad Request"):
        pull(client_with(), f"{gate.host}/{name}")
    assert len(gate.passed) == 1


def test_retry_after_is_obeyed(client_with: ClientMaker, gate: Gate, tmp_path: Path, name: str) -> None:
    waited: list[float] = []
    retry = RetryPolicy(attempts=3, first_delay=0.25, max_delay=30, sleep=waited.append)
    gate.spoil = times(1, "/manifests/", Spoiled(429, {"Retry-After": "17"}))
    push_and_pull(client_with(retry=retry), tmp_path, f"{gate.host}/{name}")
    assert waited == [17]


def test_a_wait_that_is_too_long_is_not_waited(client_with: ClientMaker, gate: Gate, name: str) -> None:
    gate.spoil = times(9, "/manifests/", Spoiled(429, {"Retry-After": "86400"}))
    with pytest.raises(
        RegistryError, match=r"429 Too Many Requests \(come back in 86400 s, give cred"
    ) as caught:
        pull(client_with(), f"{gate.host}/{name}")
    assert caught.value.temporary
    assert len(gate.passed) == 1


def test_credentials_do_not_follow_a_redirect_to_another_host(
    client_with: ClientMaker, guarded_registry: Registry, registry: Registry, tmp_path: Path, name: str
) -> None:
    push_and_pull(client_with(), tmp_path, f"{registry.host}/{name}")
    with running_gate(guarded_registry.host) as front, running_gate(registry.host) as storage:
        front.spoil = lambda request: (
            Spoiled(307, {"Location": f"http://{storage.host}{request.path}?signature=1"})
            if "/blobs/" in request.path and "Authorization" in request.headers
            else None
        )
        config = docker_config(front.host)
        push_manifest_only(config, front, registry, name)

        pulled = Puller(client_with(config)).resolve(Reference.parse(f"{front.host}/{name}"), AMD64)
        with pulled.layers[0].open() as blob:
            assert blob.read()

        assert storage.passed
        assert not any("Authorization" in request.headers for request in storage.passed)


def push_manifest_only(config: str, front: Gate, registry: Registry, name: str) -> None:
    """Have the front answer manifests with the other registry's."""
    raw = registry.skopeo("inspect", "--raw", f"docker://{registry.host}/{name}").encode()
    inner = front.spoil
    front.spoil = lambda request: (
        Spoiled(200, {"Content-Type": "application/vnd.oci.image.manifest.v1+json"}, raw)
        if "/manifests/" in request.path
        else Spoiled(401, {"WWW-Authenticate": 'Basic realm="x"'})
        if "Authorization" not in request.headers
        else inner(request)
    )


def test_a_challenge_of_a_host_redirected_to_gets_no_credentials(
    client_with: ClientMaker, gate: Gate, other_registry: Registry, name: str
) -> None:
    with running_gate(other_registry.host) as elsewhere:
        gate.spoil = times(9, "/manifests/", Spoiled(307, {"Location": f"http://{elsewhere.host}/v2/x"}))
        elsewhere.spoil = times(9, "", Spoiled(401, {"WWW-Authenticate": 'Basic realm="give"'}))
        with pytest.raises(UnauthorizedError):
            pull(client_with(docker_config(gate.host)), f"{gate.host}/{name}")
        assert [request.headers.get("Authorization") for request in elsewhere.passed] == [None]


def test_endless_redirects_end(client_with: ClientMaker, gate: Gate, name: str) -> None:
    gate.spoil = times(99, "", Spoiled(302, {"Location": "/v2/again"}))
    with pytest.raises(RegistryError, match="redirects more than 5 times"):
        pull(client_with(), f"{gate.host}/{name}")


def test_a_redirect_to_something_else_than_http_is_refused(
    client_with: ClientMaker, gate: Gate, name: str
) -> None:
    gate.spoil = times(99, "", Spoiled(302, {"Location": "file:///etc/passwd"}))
    with pytest.raises(RegistryError, match="which is not HTTP"):
        pull(client_with(), f"{gate.host}/{name}")


def test_bearer_tokens_are_fetched_with_the_password(
    client_with: ClientMaker, token_registry: Registry, tokens: TokenServer, tmp_path: Path
) -> None:
    push_and_pull(
        client_with(docker_config(token_registry.host)), tmp_path, f"{token_registry.host}/team/app"
    )
    assert {request.method for request in tokens.requests} == {"GET"}
    scopes = [request.parameters["scope"] for request in tokens.requests]
    assert scopes == [["repository:team/app:pull,push"], ["repository:team/app:pull"]], "one token a scope"
    assert tokens.requests[0].parameters["account"] == ["builder"]


def test_bearer_tokens_are_fetched_with_an_identity_token(
    client_with: ClientMaker, token_registry: Registry, tokens: TokenServer, tmp_path: Path
) -> None:
    config = json.dumps({"auths": {token_registry.host: {"identitytoken": "an identity token"}}})
    push_and_pull(client_with(config), tmp_path, f"{token_registry.host}/team/app")
    assert {request.method for request in tokens.requests} == {"POST"}


def test_anybody_may_pull_with_an_anonymous_token(
    client_with: ClientMaker, token_registry: Registry, tokens: TokenServer
) -> None:
    with pytest.raises(ImageNotFoundError):
        pull(client_with(), f"{token_registry.host}/team/app")
    assert tokens.requests[0].authorization is None


def test_a_token_without_the_right_to_push_is_unauthorized(
    client_with: ClientMaker, token_registry: Registry
) -> None:
    client = client_with(docker_config(token_registry.host))
    with (
        Pusher(client, [Reference.parse(f"{token_registry.host}/other/app")]) as pusher,
        pytest.raises(UnauthorizedError, match=r"other/app: cannot push .*as builder"),
    ):
        pusher.check()


def test_a_token_server_that_is_busy_is_waited_for_as_long_as_it_says(
    client_with: ClientMaker, token_registry: Registry, tokens: TokenServer
) -> None:
    waited: list[float] = []
    retry = RetryPolicy(attempts=3, first_delay=0.25, max_delay=30, sleep=waited.append)
    with running_gate(tokens.realm.split("/")[2]) as gate:
        tokens.realm = tokens.realm.replace(gate.upstream, gate.host)
        gate.spoil = times(1, "/token", Spoiled(429, {"Retry-After": "17"}))
        with running_gate(token_registry.host) as front:
            front.spoil = times(
                2, "", Spoiled(401, {"WWW-Authenticate": f'Bearer realm="{tokens.realm}",service="s"'})
            )
            with pytest.raises((ImageNotFoundError, UnauthorizedError)):
                pull(client_with(retry=retry), f"{front.host}/team/app")
    assert waited == [17]


def test_a_token_server_that_refuses_the_password_is_told(
    client_with: ClientMaker, token_registry: Registry
) -> None:
    client = client_with(docker_config(token_registry.host, password="wrong password"))
    with pytest.raises(
        UnauthorizedError, match=r"cannot get a token from http://127.*UNAUTHORIZED: who are you?"
    ) as caught:
        pull(client, f"{token_registry.host}/team/app")
    assert "wrong password" not in str(caught.value)


def test_base_layers_are_mounted_with_a_token_for_both_repositories(
    client_with: ClientMaker, token_registry: Registry, tokens: TokenServer, tmp_path: Path
) -> None:
    host = token_registry.host
    client = client_with(docker_config(host))
    push_and_pull(client, tmp_path, f"{host}/team/base")
    base = Puller(client).resolve(Reference.parse(f"{host}/team/base"), AMD64)
    with running_gate(host) as gate:
        with Pusher(client_with(docker_config(host)), [Reference.parse(f"{host}/team/app")]) as pusher:
            for layer in base.layers:
                pusher.add_layer(layer)
            pusher.finish(base.image)
        assert not gate.passed
    assert ["repository:team/app:pull,push", "repository:team/base:pull"] in [
        request.parameters["scope"] for request in tokens.requests
    ]


def test_an_expired_token_is_renewed(
    client_with: ClientMaker, token_registry: Registry, tokens: TokenServer
) -> None:
    tokens.life = 1
    client = client_with(docker_config(token_registry.host))
    for pause in (0, 1):
        time.sleep(pause)
        with pytest.raises(ImageNotFoundError):
            pull(client, f"{token_registry.host}/team/app:nothing")
    assert len(tokens.requests) == 2


def test_a_token_that_is_rejected_is_replaced_by_one_with_the_scope_that_is_wanted(
    client_with: ClientMaker, token_registry: Registry, tokens: TokenServer
) -> None:
    with running_gate(token_registry.host) as gate:
        client = client_with(docker_config(gate.host))
        with pytest.raises(ImageNotFoundError):
            pull(client, f"{gate.host}/team/app")
        challenge = f'Bearer realm="{tokens.realm}",service="s",scope="repository:team/more:pull"'
        gate.spoil = times(1, "", Spoiled(401, {"WWW-Authenticate": challenge}))
        with pytest.raises((ImageNotFoundError, UnauthorizedError)):
            pull(client, f"{gate.host}/team/app")
    assert [request.parameters["scope"] for request in tokens.requests][:2] == [
        ["repository:team/app:pull"],
        ["repository:team/app:pull", "repository:team/more:pull"],
    ]


def test_a_token_server_without_tls_gets_nothing_from_a_registry_with_tls(
    client_with: ClientMaker, certificate: Certificate, tmp_path: Path, tokens: TokenServer
) -> None:
    with running_registry(tmp_path / "secure", certificate=certificate, tokens=tokens) as secure:
        client = client_with(docker_config(secure.host), ca_file=certificate.authority)
        with pytest.raises(RegistryError, match="its token server does not"):
            pull(client, f"{secure.host}/team/app")
    assert tokens.requests == []


def test_a_token_server_that_redirects_elsewhere_is_not_followed_with_the_password(
    client_with: ClientMaker, gate: Gate, other_registry: Registry, name: str
) -> None:
    with running_gate(other_registry.host) as elsewhere:
        challenge = {"WWW-Authenticate": f'Bearer realm="http://{gate.host}/token",service="x"'}
        gate.spoil = lambda request: (
            Spoiled(302, {"Location": f"http://{elsewhere.host}/token"})
            if request.path.startswith("/token")
            else Spoiled(401, challenge)
        )
        elsewhere.spoil = times(9, "", Spoiled(200, body=b'{"token": "evil"}'))
        with pytest.raises(RegistryError, match="redirects to another host"):
            pull(client_with(docker_config(gate.host)), f"{gate.host}/{name}")
        assert not any("Authorization" in request.headers for request in elsewhere.passed)
        assert not any("evil" in request.headers.get("Authorization", "") for request in gate.passed)


def test_an_upload_that_leads_to_another_host_is_sent_without_credentials(
    client_with: ClientMaker, gate: Gate, other_registry: Registry, tmp_path: Path, name: str
) -> None:
    made = make_image(tmp_path, {"a": b"1"})
    with running_gate(other_registry.host) as elsewhere:
        elsewhere.spoil = times(9, "", Spoiled(201), "PUT")
        gate.spoil = lambda request: (
            Spoiled(401, {"WWW-Authenticate": "Basic"})
            if "Authorization" not in request.headers
            else Spoiled(202, {"Location": f"http://{elsewhere.host}/upload?x=1"})
            if request.method == "POST"
            else Spoiled(201)
            if request.method == "PUT"
            else Spoiled(404)
        )
        with Pusher(
            client_with(docker_config(gate.host)), [Reference.parse(f"{gate.host}/{name}")]
        ) as pusher:
            pusher.add_layer(made.layers[0])
            pusher.finish(made.image)
        assert elsewhere.count("PUT", "/upload?x=1&digest=sha256") == 2
        assert not any("Authorization" in request.headers for request in elsewhere.passed)


def test_a_listener_that_never_answers_is_given_up(name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        host = f"127.0.0.1:{listener.getsockname()[1]}"
        transports = Transports(Network(read_trust({})), read_timeout=0.05)
        client = RegistryClient(Reach(transports, PLAIN), retry=RetryPolicy(attempts=2, first_delay=0.001))
        with pytest.raises(RegistryError, match="timed out") as caught:
            pull(client, f"{host}/{name}")
    assert caught.value.temporary


def test_push_errors_are_push_errors_whatever_broke(
    client_with: ClientMaker, name: str, tmp_path: Path
) -> None:
    host = f"127.0.0.1:{free_port()}"
    with Pusher(client_with(), [Reference.parse(f"{host}/{name}")]) as pusher, pytest.raises(PushError):
        pusher.check()


@pytest.mark.parametrize("location", ["http://[", "http://127.0.0.1:port/", "//[bad/", "http://\x1b[31m/"])
def test_a_location_that_is_no_url_is_an_error_in_words(
    client_with: ClientMaker, gate: Gate, name: str, location: str
) -> None:
    gate.spoil = times(9, "", Spoiled(302, {"Location": location}))
    with pytest.raises(RegistryError, match=name) as caught:
        pull(client_with(), f"{gate.host}/{name}")
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("realm", ["", "http://[", "ftp://x/", "http://user@x/", "http://127.0.0.1:port/"])
def test_a_realm_that_is_no_token_server_is_an_error_in_words(
    client_with: ClientMaker, gate: Gate, name: str, realm: str
) -> None:
    gate.spoil = times(9, "", Spoiled(401, {"WWW-Authenticate": f'Bearer realm="{realm}"'}))
    with pytest.raises(RegistryError, match=name):
        pull(client_with(), f"{gate.host}/{name}")
    assert len(gate.passed) == 1
