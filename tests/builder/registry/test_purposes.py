"""Credentials for pulling and for pushing, at one registry."""

import base64
import logging
from pathlib import Path

import pytest

from support.gate import Spoiled, running_gate
from support.handmade import make_image
from support.registry import Registry, docker_config, running_registry
from support.tokens import TokenRequest, TokenServer
from yadokari_builder.build.registries import Registries, open_registries
from yadokari_builder.errors import PushError, UnauthorizedError
from yadokari_builder.oci.platform import Platform
from yadokari_builder.oci.reference import Reference
from yadokari_builder.registry.pull import PulledImage, Puller
from yadokari_builder.registry.push import Pusher
from yadokari_contract.spec import BuildSpec

AMD64 = Platform("linux", "amd64")
PLAIN = BuildSpec(insecure=True, insecure_pull=True)


def opened(**environment: str) -> Registries:
    return open_registries(PLAIN, {"DOCKER_CONFIG": "/nowhere", **environment})


def user(request: TokenRequest) -> str:
    assert request.authorization
    return base64.b64decode(request.authorization.split()[1]).decode().partition(":")[0]


def push_base(registries: Registries, host: str, folder: Path) -> PulledImage:
    made = make_image(folder, {"a": b"1"}, {"b": b"2"})
    base = Reference.parse(f"{host}/team/base")
    with Pusher(registries.pushing, [base]) as pusher:
        for layer in made.layers:
            pusher.add_layer(layer)
        pusher.finish(made.image)
    return Puller(registries.pulling).resolve(base, AMD64)


def test_a_pull_secret_that_only_reads_is_not_in_the_way_of_the_push_secret(
    token_registry: Registry, tokens: TokenServer, tmp_path: Path
) -> None:
    host = token_registry.host
    reader, writer = docker_config(host, "reader", "reads"), docker_config(host)
    registries = opened(DOCKER_AUTH_CONFIG_PULL_1=reader, DOCKER_AUTH_CONFIG_PUSH_1=writer)

    base = push_base(registries, host, tmp_path)
    with Pusher(registries.pushing, [Reference.parse(f"{host}/team/app")]) as pusher:
        pusher.check()
        for layer in base.layers:
            pusher.add_layer(layer)
        pusher.finish(base.image)

    asked = {(user(request), *request.parameters["scope"]) for request in tokens.requests}
    assert asked == {
        ("builder", "repository:team/base:pull,push"),
        ("reader", "repository:team/base:pull"),
        ("builder", "repository:team/app:pull,push"),
        ("builder", "repository:team/app:pull,push", "repository:team/base:pull"),
    }


def test_without_a_purpose_the_first_of_them_is_shown_for_both(token_registry: Registry) -> None:
    host = token_registry.host
    registries = opened(
        DOCKER_AUTH_CONFIG=docker_config(host, "reader", "reads"), DOCKER_AUTH_CONFIG_1=docker_config(host)
    )
    with (
        Pusher(registries.pushing, [Reference.parse(f"{host}/team/app")]) as pusher,
        pytest.raises(UnauthorizedError, match="as reader"),
    ):
        pusher.check()


def test_a_layer_is_uploaded_where_the_right_to_mount_it_is_refused(
    tokens: TokenServer, tmp_path: Path
) -> None:
    with running_gate(tokens.realm.split("/")[2]) as gate:
        tokens.realm = tokens.realm.replace(gate.upstream, gate.host)
        gate.spoil = lambda request: (
            Spoiled(403, body=b'{"errors":[{"code":"DENIED"}]}')
            if "team%2Fbase" in request.path and "team%2Fapp" in request.path
            else None
        )
        with running_registry(tmp_path / "registry", tokens=tokens) as registry:
            registries = opened(DOCKER_AUTH_CONFIG=docker_config(registry.host))
            base = push_base(registries, registry.host, tmp_path / "base")
            app = Reference.parse(f"{registry.host}/team/app")
            with Pusher(registries.pushing, [app]) as pusher:
                for layer in base.layers:
                    pusher.add_layer(layer)
                pusher.finish(base.image)
            assert Puller(registries.pulling).resolve(app, AMD64).image == base.image


def test_credentials_over_plain_http_are_warned_of_once_a_registry(
    guarded_registry: Registry, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.WARNING)
    registries = opened(DOCKER_AUTH_CONFIG=docker_config(guarded_registry.host))
    push_base(registries, guarded_registry.host, tmp_path)
    warned = [record.getMessage() for record in caplog.records]
    assert warned == [
        f"http://{guarded_registry.host} gets credentials over plain HTTP: anybody on the way can read them"
    ]


def test_what_needs_no_credentials_is_not_warned_of(
    registry: Registry, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.WARNING)
    push_base(opened(DOCKER_AUTH_CONFIG=docker_config(registry.host)), registry.host, tmp_path)
    assert not caplog.records


def test_an_identity_token_over_plain_http_is_warned_of_too(
    token_registry: Registry, tokens: TokenServer, caplog: pytest.LogCaptureFixture
) -> None:
    config = f'{{"auths": {{"{token_registry.host}": {{"identitytoken": "an identity token"}}}}}}'
    registries = opened(DOCKER_AUTH_CONFIG=config)
    with Pusher(registries.pushing, [Reference.parse(f"{token_registry.host}/team/app")]) as pusher:
        pusher.check()
    origin = tokens.realm.removesuffix("/token")
    assert f"{origin} gets credentials over plain HTTP" in caplog.text


@pytest.mark.parametrize("config", [{}, {"identitytoken": "an identity token"}])
def test_a_token_server_that_is_first_asked_after_a_step_gets_nothing_over_plain_http(
    config: dict[str, str], tokens: TokenServer, tmp_path: Path
) -> None:
    tokens.realm = tokens.realm.replace("127.0.0.1", "localhost")
    with running_registry(tmp_path, tokens=tokens) as registry:
        text = docker_config(registry.host)
        if config:
            text = f'{{"auths": {{"{registry.host}": {{"identitytoken": "an identity token"}}}}}}'
        registries = opened(DOCKER_AUTH_CONFIG=text)
        registries.freeze([], [])
        with (
            Pusher(registries.pushing, [Reference.parse(f"{registry.host}/team/app")]) as pusher,
            pytest.raises(PushError, match=r"http://localhost:[0-9]+ gets no credentials"),
        ):
            pusher.check()
    assert tokens.requests == []
