"""Passwords for registries of clouds, from servers that stand for them."""

from collections.abc import Iterator

import pytest

from support.buckets import WHY_NO_MOTO, Moto, moto
from yadokari_builder.build.clouds import cloud_places
from yadokari_builder.errors import RegistryError
from yadokari_builder.oci.reference import Repository
from yadokari_builder.registry.credentials.credential import Place
from yadokari_builder.registry.http.connections import Network
from yadokari_builder.registry.http.tls import Trust

PRIVATE = Repository("123456789012.dkr.ecr.eu-west-1.amazonaws.com", "team/app")


def ecr(**environment: str) -> Place:
    nowhere = {"HOME": "/nowhere", "AWS_EC2_METADATA_DISABLED": "true"}
    return cloud_places({**nowhere, **environment}, Network(Trust("")))["ecr"]()


@pytest.fixture(scope="module")
def aws() -> Iterator[Moto]:
    if WHY_NO_MOTO:
        pytest.skip(WHY_NO_MOTO)
    with moto({}) as running:
        yield running


def test_a_password_of_ecr_is_lent_for_signed_requests(aws: Moto) -> None:
    found = ecr(AWS_ENDPOINT_URL=aws.address, **aws.keys).find(PRIVATE)
    assert found
    assert found.username == "AWS"
    assert found.password


def test_a_wrong_key_is_refused_and_told(aws: Moto) -> None:
    wrong = {**aws.keys, "AWS_SECRET_ACCESS_KEY": "hunter2"}
    place = ecr(AWS_ENDPOINT_URL=aws.address, **wrong)
    assert place.find(PRIVATE) is None
    assert (
        "the password of 123456789012.dkr.ecr.eu-west-1.amazonaws.com: refused with status 403"
        in place.hint(PRIVATE)
    )
    assert "hunter2" not in place.hint(PRIVATE)


def test_a_service_that_is_not_there_may_be_tried_again() -> None:
    keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    place = ecr(AWS_ENDPOINT_URL_ECR="http://127.0.0.1:9", **keys)
    with pytest.raises(RegistryError, match="Connection refused") as caught:
        place.find(PRIVATE)
    assert caught.value.temporary


def test_without_keys_there_is_nothing() -> None:
    assert ecr().find(PRIVATE) is None
    assert ecr(AWS_ACCESS_KEY_ID="a", AWS_SECRET_ACCESS_KEY="b").find(Repository("docker.io", "x")) is None
