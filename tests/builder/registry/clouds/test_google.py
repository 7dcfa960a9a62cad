"""Where access tokens of Google are looked for."""

import base64
import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
import urllib3

from support.services import answering
from yadokari_builder.errors import ContextError
from yadokari_builder.registry.clouds.google import (
    PLATFORM,
    READ_STORAGE,
    GoogleCredentials,
    GoogleToken,
)
from yadokari_builder.registry.clouds.rsa import PrivateKey

ANSWER = b'{"access_token": "token", "expires_in": 3600}'
NODE = "GET /computeMetadata/v1/instance/service-accounts/default/token"


def look(variables: Mapping[str, str], scope: str = READ_STORAGE) -> GoogleToken | None:
    pools = urllib3.PoolManager()
    return GoogleCredentials(scope, variables, pools, pools, lambda: 1_700_000_000.5).find()


def find(variables: Mapping[str, str], scope: str = READ_STORAGE) -> str | None:
    found = look(variables, scope)
    return found.text if found else None


def written(folder: Path, **account: Any) -> dict[str, str]:
    (folder / "account.json").write_text(json.dumps(account))
    return {"GOOGLE_APPLICATION_CREDENTIALS": str(folder / "account.json")}


def make_key(folder: Path, *form: str) -> str:
    """Make a key; returns its PEM and leaves the public one beside it."""
    (folder / "key").write_bytes(_openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"))
    (folder / "public").write_bytes(_openssl("pkey", "-in", str(folder / "key"), "-pubout"))
    return _openssl("rsa", "-in", str(folder / "key"), *form).decode()


def verify(folder: Path, text: bytes, signature: bytes) -> None:
    (folder / "text").write_bytes(text)
    (folder / "signature").write_bytes(signature)
    arguments = ["-verify", folder / "public", "-signature", folder / "signature", folder / "text"]
    assert b"Verified OK" in _openssl("dgst", "-sha256", *map(str, arguments))


def _openssl(*arguments: str) -> bytes:
    return subprocess.run(["openssl", *arguments], capture_output=True, check=True).stdout


@pytest.mark.parametrize("form", [(), ("-traditional",)], ids=["PKCS8", "PKCS1"])
def test_signatures_are_those_that_openssl_verifies(tmp_path: Path, form: tuple[str, ...]) -> None:
    key = PrivateKey.parse(make_key(tmp_path, *form))
    verify(tmp_path, b"some text", key.sign(b"some text"))
    assert repr(key) == "PrivateKey()"


@pytest.mark.parametrize(
    "pem", ["", "-----BEGIN PRIVATE KEY-----", *(f"-----BEGIN PRIVATE KEY-----\n{text}\n-----END" for text in
    ("", "!", "MA==", "MAA=", "MIA=", "MIL/////", "MAMCAQA="))],
)  # fmt: skip
def test_what_is_no_key_is_refused(pem: str) -> None:
    with pytest.raises(ValueError, match=r"this is no|base64|padding|[Bb]ase64"):
        PrivateKey.parse(pem)


def test_a_service_account_signs_who_it_is(tmp_path: Path) -> None:
    pem = make_key(tmp_path)
    with answering({"POST /token": ANSWER}) as service:
        account = {"client_email": "me@project", "private_key": pem, "token_uri": f"{service.address}/token"}
        assert find(written(tmp_path, type="service_account", **account)) == "token"
    text, _, signature = parse_qs(service.asked[0].body)["assertion"][0].rpartition(".")
    claims = json.loads(base64.urlsafe_b64decode(text.partition(".")[2] + "=="))
    assert (claims["iss"], claims["aud"]) == ("me@project", f"{service.address}/token")
    assert (claims["iat"], claims["exp"]) == (1_700_000_000, 1_700_003_600)
    assert claims["scope"] == READ_STORAGE
    verify(tmp_path, text.encode(), base64.urlsafe_b64decode(signature + "=="))


def test_a_user_s_token_is_refreshed(tmp_path: Path) -> None:
    user = {"client_id": "i", "client_secret": "s", "refresh_token": "r"}
    with answering({"POST /token": ANSWER}) as service:
        given = written(tmp_path, type="authorized_user", token_uri=f"{service.address}/token", **user)
        assert find(given) == "token"
    assert parse_qs(service.asked[0].body)["refresh_token"] == ["r"]


def test_a_cluster_s_token_is_exchanged_for_a_service_account_s(tmp_path: Path) -> None:
    (tmp_path / "jwt").write_text('{"token": "jwt"}')
    answers = {"POST /sts": ANSWER, "POST /impersonate": b'{"accessToken": "impersonated"}'}
    with answering(answers) as service:
        account = {
            "audience": "pool",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": f"{service.address}/sts",
            "credential_source": {
                "file": str(tmp_path / "jwt"),
                "format": {"type": "json", "subject_token_field_name": "token"},
            },
        }
        assert find(written(tmp_path, type="external_account", **account)) == "token"
        account["service_account_impersonation_url"] = f"{service.address}/impersonate"
        assert find(written(tmp_path, type="external_account", **account), PLATFORM) == "impersonated"
    assert parse_qs(service.asked[0].body)["subject_token"] == ["jwt"]
    assert service.asked[-1].headers["Authorization"] == "Bearer token"
    assert json.loads(service.asked[-1].body) == {"scope": [PLATFORM]}


def test_a_node_is_asked_last() -> None:
    with answering({NODE: ANSWER}) as service:
        assert find({"GCE_METADATA_HOST": service.address.removeprefix("http://")}) == "token"
    assert service.asked[0].headers["Metadata-Flavor"] == "Google"
    assert find({"GCE_METADATA_HOST": "127.0.0.1:1"}) is None


@pytest.mark.parametrize(
    ("answer", "life"),
    [(b'{"access_token": "t", "expires_in": 299}', 299), (b'{"access_token": "t"}', 3600)],
)
def test_a_token_is_good_as_long_as_google_says(answer: bytes, life: float) -> None:
    with answering({NODE: answer}) as service:
        found = look({"GCE_METADATA_HOST": service.address.removeprefix("http://")})
    assert found == GoogleToken("t", life)
    assert repr(found) == f"GoogleToken(life={float(life)})"


@pytest.mark.parametrize("answer", [b"<html>", b"{}", b'{"access_token": "t", "expires_in": "soon"}'])
def test_what_answers_everything_is_not_google(answer: bytes) -> None:
    with answering({NODE: answer}) as service:
        assert look({"GCE_METADATA_HOST": service.address.removeprefix("http://")}) is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("no JSON", "which GOOGLE_APPLICATION_CREDENTIALS names, cannot be read"),
        ("[]", "is of a kind that is not supported: it can be service_account"),
        ('{"type": "service_account", "client_email": "m"}', "is not complete, or not of Google's form"),
        ('{"type": "service_account", "client_email": "m", "private_key": "k"}', "is not complete"),
        ('{"type": "external_account", "credential_source": {"file": "/gone"}}', ": /gone cannot be read"),
        ('{"type": "external_account", "credential_source": {"file": 1}}', "is not complete"),
    ],
)
def test_a_file_that_is_none_is_told(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "account.json").write_text(content)
    with pytest.raises(ContextError, match=message):
        find({"GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "account.json")})
