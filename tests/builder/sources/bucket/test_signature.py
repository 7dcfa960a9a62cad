"""Signatures, beside those that botocore makes of the same requests."""

from datetime import UTC, datetime

import pytest

from yadokari_builder.sources.bucket.signature import AwsKeys, signed

URL = "https://bucket.s3.eu-west-1.amazonaws.com/a%20folder/context%2B1.tar.gz"
TIME = datetime(2024, 5, 1, 12, 30, tzinfo=UTC)
SCOPE = "Credential=AKIDEXAMPLE/20240501/eu-west-1/s3/aws4_request"


@pytest.mark.parametrize(
    ("token", "names", "signature"),
    [
        (
            "",
            "host;x-amz-content-sha256;x-amz-date",
            "95a49952fac17d6353918d1b752b6fa1bd6009f91d4b79f92890eb9d721257fa",
        ),
        (
            "tok/en==",
            "host;x-amz-content-sha256;x-amz-date;x-amz-security-token",
            "be17a22a05f4c31c7684df88944a36234dc2b4a82041128ef551fa9f55e6e565",
        ),
    ],
)
def test_a_request_is_signed_as_botocore_signs_it(token: str, names: str, signature: str) -> None:
    keys = AwsKeys("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", token)
    headers = signed(URL, keys, "eu-west-1", "s3", TIME)
    expected = f"AWS4-HMAC-SHA256 {SCOPE}, SignedHeaders={names}, Signature={signature}"
    assert headers["Authorization"] == expected
    assert headers["x-amz-date"] == "20240501T123000Z"
    assert headers.get("x-amz-security-token", "") == token


def test_secrets_do_not_show_where_keys_are_printed() -> None:
    assert repr(AwsKeys("AKID", "s3cret", "t0ken")) == "AwsKeys(identity='AKID')"
