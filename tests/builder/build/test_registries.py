import pytest

from support.registry import Registry, docker_config
from yadokari_builder.build.registries import open_registries
from yadokari_builder.errors import PushError, RegistryError, UsageError
from yadokari_builder.oci.platform import Platform
from yadokari_builder.oci.reference import Reference
from yadokari_builder.registry.pull import Puller
from yadokari_builder.registry.push import Pusher
from yadokari_contract.spec import CREDENTIAL_HELPERS, BuildSpec


def test_a_mirror_may_be_one_over_plain_http() -> None:
    spec = BuildSpec(registry_mirrors=("one.example/cache", "http://three.example:5000"))
    registries = open_registries(spec, {"DOCKER_CONFIG": "/nowhere"})
    assert registries.mirrors.by_registry == {"docker.io": ("one.example/cache", "three.example:5000")}


def test_a_map_names_mirrors_of_other_registries() -> None:
    spec = BuildSpec(
        registry_maps={"quay.io": ("one.example", "http://two.example/q")},
        skip_default_registry_fallback=True,
    )
    registries = open_registries(spec, {"DOCKER_CONFIG": "/nowhere"})
    assert registries.mirrors.by_registry == {"quay.io": ("one.example", "two.example/q")}
    assert not registries.mirrors.fallback


def test_a_client_certificate_has_a_key() -> None:
    spec = BuildSpec(registry_client_certs={"a.example": "cert.pem"})
    with pytest.raises(UsageError, match="HOST=CERTIFICATE,KEY"):
        open_registries(spec, {"DOCKER_CONFIG": "/nowhere"})


def test_retries_are_those_asked_for_and_no_fewer_than_usual() -> None:
    common = open_registries(BuildSpec(), {"DOCKER_CONFIG": "/nowhere"})
    assert common.pushing.retry.attempts == common.pulling.retry.attempts == 5
    spec = BuildSpec(push_retry=9, image_download_retry=2, image_fs_extract_retry=7)
    asked = open_registries(spec, {"DOCKER_CONFIG": "/nowhere"})
    assert (asked.pushing.retry.attempts, asked.pulling.retry.attempts) == (10, 8)


def test_whose_certificate_is_verified_is_said_for_pulling_and_pushing_apart(
    secure_registry: Registry, name: str
) -> None:
    reference = Reference.parse(f"{secure_registry.host}/{name}")
    config = docker_config(secure_registry.host)
    environment = {"DOCKER_CONFIG": "/nowhere", "DOCKER_AUTH_CONFIG": config}
    for spec, may_pull, may_push in [
        (BuildSpec(), False, False),
        (BuildSpec(skip_tls_verify_pull=True), True, False),
        (BuildSpec(skip_tls_verify=True), False, True),
        (BuildSpec(skip_tls_verify_registries=(secure_registry.host,)), True, True),
    ]:
        registries = open_registries(spec, environment)
        with Pusher(registries.pushing, [reference]) as pusher:
            if may_push:
                pusher.check()
            else:
                with pytest.raises(PushError, match="certificate is not trusted"):
                    pusher.check()
        expected = "404 Not Found" if may_pull else "certificate is not trusted"
        with pytest.raises(RegistryError, match=expected):
            Puller(registries.pulling).resolve(reference, Platform("linux", "amd64"))


def test_every_kind_of_credentials_may_be_named_and_none_at_all() -> None:
    for kinds in (CREDENTIAL_HELPERS, *((kind,) for kind in CREDENTIAL_HELPERS), ()):
        open_registries(BuildSpec(credential_helpers=kinds), {"DOCKER_CONFIG": "/nowhere"})
