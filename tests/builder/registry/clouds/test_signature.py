"""Signatures, beside those that botocore makes of the same requests."""

from datetime import UTC, datetime
from urllib.parse import quote

import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given, settings
from hypothesis import strategies as st

from yadokari_builder.registry.clouds.signature import AwsKeys, signed

URL = "https://bucket.s3.eu-west-1.amazonaws.com/a%20folder/context%2B1.tar.gz"
TIME = datetime(2024, 5, 1, 12, 30, tzinfo=UTC)
words = st.text("abcXYZ019-", min_size=1, max_size=12)
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


@pytest.mark.long
@settings(max_examples=50, deadline=None)
@given(
    keys=st.builds(AwsKeys, words, words, st.just("") | words),
    path=st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8), max_size=3),
    region=words,
    service=words,
    method=st.sampled_from(["GET", "PUT", "POST"]),
    body=st.binary(max_size=20),
    headers=st.dictionaries(words.map("x-amz-y-{}".format).map(str.lower), words, max_size=3),
)
def test_any_request_is_signed_as_botocore_signs_it(
    keys: AwsKeys,
    path: list[str],
    region: str,
    service: str,
    method: str,
    body: bytes,
    headers: dict[str, str],
) -> None:
    url = f"http://server.example:9000/{'/'.join(quote(part, safe='') for part in path)}"
    theirs = AWSRequest(method, url, headers, body)
    given_keys = Credentials(keys.identity, keys.secret, keys.token or None)
    S3SigV4Auth(given_keys, service, region).add_auth(theirs)
    time = datetime.strptime(theirs.headers["X-Amz-Date"], "%Y%m%dT%H%M%S%z")
    ours = signed(url, keys, region, service, time, method=method, body=body, headers=headers)
    assert {name.lower(): text for name, text in theirs.headers.items()} == {
        name.lower(): text for name, text in ours.items()
    }


def test_secrets_do_not_show_where_keys_are_printed() -> None:
    assert repr(AwsKeys("AKID", "s3cret", "t0ken")) == "AwsKeys(identity='AKID')"
