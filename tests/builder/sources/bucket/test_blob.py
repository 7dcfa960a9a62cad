"""Contexts in Azure's storage."""

import gzip
import logging
import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from support import archives
from support.buckets import AZURE_ACCOUNT, AZURE_KEY, Redirected, azure
from support.contexts import files, opened
from support.services import Service, answering
from yadokari_builder.errors import ContextError
from yadokari_builder.sources.bucket.blob import shared_key
from yadokari_builder.sources.context import Context

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="archives are unpacked by root")

ARCHIVE = gzip.compress(archives.archive(archives.file("sub/file", b"F")).getvalue())
HOST = "account.blob.core.windows.net"
BLOB = f"https://{HOST}/box/a folder/context.tar.gz"
LINE = "GET /box/a%20folder/context.tar.gz"
KEY = AZURE_KEY
NO_NODE = {"AZURE_POD_IDENTITY_AUTHORITY_HOST": "http://127.0.0.1:1"}


def opened_by(service: Service, location: str, folder: Path, variables: Mapping[str, str]) -> Context:
    return opened(location, folder, environment={**NO_NODE, **variables}, http=Redirected(service.address))


def test_a_request_is_signed_as_azure_s_own_library_signs_it() -> None:
    time = datetime(2026, 11, 26, 15, 47, 42, tzinfo=UTC)
    headers = shared_key(
        KEY, "devstoreaccount1.blob.core.windows.net", "/box/a%20b", "snapshot=1&a=b%3D", time
    )
    assert headers["x-ms-date"] == "Thu, 26 Nov 2026 15:47:42 GMT"
    assert (
        headers["Authorization"] == "SharedKey devstoreaccount1:y8xVi6kNtb7Ji+7/B31cM/BCqKLSm/6PCZ/uEcQNyE4="
    )
    with pytest.raises(ContextError, match="AZURE_STORAGE_ACCESS_KEY is no key: it must be in base64"):
        shared_key("s3cret!", HOST, "/box/a", "", time)


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with azure(
        {"context.tar.gz": ARCHIVE, "a folder/b+1.tar": ARCHIVE}, tmp_path_factory.mktemp("azure")
    ) as address:
        yield address


def opened_there(storage: str, location: str, folder: Path, key: str = KEY) -> Context:
    given = {**NO_NODE, "AZURE_STORAGE_ACCESS_KEY": key}
    url = f"https://{AZURE_ACCOUNT}.blob.core.windows.net/{location}"
    return opened(url, folder, environment=given, http=Redirected(storage))


@pytest.mark.long
@pytest.mark.parametrize(
    "location", ["box/context.tar.gz", "box/a folder/b+1.tar", "box/a%20folder/b%2B1.tar"]
)
def test_azurite_takes_the_account_s_signature(storage: str, tmp_path: Path, location: str) -> None:
    context = opened_there(storage, location, tmp_path)
    assert files(context) == {"sub/file": "F"}
    assert context.resolved


@pytest.mark.long
def test_azurite_names_what_is_missing_and_takes_no_other_key(storage: str, tmp_path: Path) -> None:
    for location in ("box/gone.tar", "nowhere/gone.tar"):
        with pytest.raises(ContextError, match=r"there is no such blob, or no such container$"):
            opened_there(storage, location, tmp_path)
    with pytest.raises(ContextError, match="the credentials do not allow it"):
        opened_there(storage, "box/context.tar.gz", tmp_path, KEY.swapcase())


def test_a_blob_is_unpacked_with_the_account_s_key(tmp_path: Path) -> None:
    with answering({LINE: ARCHIVE}) as service:
        context = opened_by(service, BLOB, tmp_path, {"AZURE_STORAGE_ACCESS_KEY": KEY})
    assert files(context) == {"sub/file": "F"}
    assert service.asked[0].headers["Host"] == HOST
    assert service.asked[0].headers["Authorization"].startswith("SharedKey account:")


def test_a_url_that_is_signed_itself_is_taken_as_it_is(tmp_path: Path) -> None:
    with answering({f"{LINE}?sv=1&sig=a%2Bb": ARCHIVE}) as service:
        context = opened_by(service, f"{BLOB}?sv=1&sig=a%2Bb", tmp_path, {"AZURE_STORAGE_ACCESS_KEY": KEY})
    assert files(context) == {"sub/file": "F"}
    assert "Authorization" not in service.asked[0].headers


def test_a_cluster_s_token_is_exchanged_for_one_of_azure(tmp_path: Path) -> None:
    (tmp_path / "jwt").write_text("jwt")
    answers = {LINE: ARCHIVE, "POST /tenant/oauth2/v2.0/token": b'{"access_token": "t0ken"}'}
    given = {
        "AZURE_TENANT_ID": "tenant",
        "AZURE_CLIENT_ID": "client",
        "AZURE_FEDERATED_TOKEN_FILE": str(tmp_path / "jwt"),
    }
    with answering(answers) as service:
        assert files(opened_by(service, BLOB, tmp_path, given)) == {"sub/file": "F"}
    form = parse_qs(service.asked[0].body)
    assert (form["client_assertion"], form["scope"]) == (["jwt"], ["https://storage.azure.com/.default"])
    assert service.asked[1].headers["Authorization"] == "Bearer t0ken"


def test_a_node_is_asked_last(tmp_path: Path) -> None:
    node = (
        "GET /metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fstorage.azure.com"
    )
    with answering({LINE: ARCHIVE, node: b'{"access_token": "t0ken"}'}) as service:
        given = {"AZURE_POD_IDENTITY_AUTHORITY_HOST": service.address}
        assert files(opened_by(service, BLOB, tmp_path, given)) == {"sub/file": "F"}
    assert service.asked[1].headers["Authorization"] == "Bearer t0ken"


@pytest.mark.parametrize(
    ("answer", "variables", "message"),
    [
        (404, {"AZURE_STORAGE_ACCESS_KEY": KEY}, "there is no such blob, or no such container$"),
        (404, {}, "no such container: no credentials of Azure were found"),
        (403, {"AZURE_STORAGE_ACCESS_KEY": KEY}, "cannot be read: the credentials do not allow it"),
        (409, {}, "cannot be read: no credentials of Azure were found, AZURE_STORAGE_ACCESS_KEY for one"),
        (400, {}, "the server answered with status 400"),
        (b"<html>" * 500, {}, "cannot be unpacked"),
    ],
)
def test_what_cannot_be_read_is_named_and_secrets_are_not(
    tmp_path: Path,
    answer: bytes | int,
    variables: Mapping[str, str],
    message: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, "yadokari_builder")
    with answering({LINE: answer}) as service, pytest.raises(ContextError, match=message) as caught:
        opened_by(service, BLOB, tmp_path, variables)
    assert BLOB in str(caught.value)
    assert KEY not in str(caught.value) + caplog.text


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        ("box", "it names no blob, as in"),
        ("box/", "it names no blob, as in"),
        ("box/blob#sha256:00", "no checksum behind #"),
    ],
)
def test_a_url_that_names_no_blob_is_refused(tmp_path: Path, rest: str, message: str) -> None:
    with pytest.raises(ContextError, match=message):
        opened(f"https://{HOST}/{rest}", tmp_path, environment=NO_NODE)
