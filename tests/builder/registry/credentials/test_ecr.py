"""Registries of AWS, and the passwords that are lent for them."""

import base64
import json

import pytest

from yadokari_builder.errors import RegistryError
from yadokari_builder.registry.credentials.credential import Credential
from yadokari_builder.registry.credentials.ecr import EcrService, read_password


@pytest.mark.parametrize(
    ("registry", "url", "region"),
    [
        (
            "123456789012.dkr.ecr.eu-west-1.amazonaws.com",
            "https://api.ecr.eu-west-1.amazonaws.com/",
            "eu-west-1",
        ),
        (
            "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn",
            "https://api.ecr.cn-north-1.amazonaws.com.cn/",
            "cn-north-1",
        ),
        (
            "123456789012.dkr.ecr-fips.us-east-1.amazonaws.com",
            "https://ecr-fips.us-east-1.amazonaws.com/",
            "us-east-1",
        ),
        ("123456789012.dkr-ecr.us-east-1.on.aws", "https://ecr.us-east-1.api.aws/", "us-east-1"),
        ("public.ecr.aws", "https://api.ecr-public.us-east-1.amazonaws.com/", "us-east-1"),
    ],
)
def test_a_registry_of_aws_has_a_service_in_its_region(registry: str, url: str, region: str) -> None:
    service = EcrService.of(registry)
    assert service
    assert (service.url, service.region) == (url, region)


@pytest.mark.parametrize(
    "registry",
    [
        "docker.io",
        "123456789012.dkr.ecr.eu-west-1.amazonaws.com.evil.example",
        "evil.123456789012.dkr.ecr.eu-west-1.amazonaws.com",
        "123456789012.dkr.ecr.eu-west-1.amazonaws.com:5000",
        "public.ecr.aws.evil.example",
    ],
)
def test_other_registries_get_nothing_of_aws(registry: str) -> None:
    assert EcrService.of(registry) is None


TOKEN = base64.b64encode(b"AWS:hunter2").decode()


@pytest.mark.parametrize(
    ("data", "life"),
    [
        ([{"authorizationToken": TOKEN, "expiresAt": 1500.5}], 500.5),
        ({"authorizationToken": TOKEN, "expiresAt": 1500}, 500),
        ([{"authorizationToken": TOKEN, "expiresAt": 10}], 3600),
        ([{"authorizationToken": TOKEN}], 3600),
    ],
)
def test_a_password_is_read_with_its_life(data: object, life: float) -> None:
    lease = read_password(json.dumps({"authorizationData": data}).encode(), 1000)
    assert (lease.credential, lease.life) == (Credential("AWS", "hunter2"), life)


@pytest.mark.parametrize(
    "answer",
    [b"", b"[]", b"{}", b"[" * 100_000, b'{"authorizationData": []}', b'{"authorizationData": [{}]}',
     b'{"authorizationData": [{"authorizationToken": "aHVudGVyMg=="}]}',
     b'{"authorizationData": [{"authorizationToken": "!"}]}'],
)  # fmt: skip
def test_what_is_no_password_is_an_error_that_does_not_quote_it(answer: bytes) -> None:
    with pytest.raises(RegistryError, match="no password") as caught:
        read_password(answer, 0)
    assert "hunter2" not in str(caught.value)
