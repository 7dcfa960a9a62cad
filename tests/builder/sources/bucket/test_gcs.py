"""Contexts in Google Cloud Storage."""

import gzip
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import archives
from support.buckets import Redirected, google
from support.contexts import files, opened
from support.services import answering
from yadokari_builder.errors import BuilderError, ContextError

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="archives are unpacked by root")

ARCHIVE = gzip.compress(archives.archive(archives.file("sub/file", b"F")).getvalue())


@pytest.fixture(scope="module")
def storage() -> Iterator[str]:
    with google({"context.tar.gz": ARCHIVE, "a folder/b+1.tar": ARCHIVE}) as address:
        yield address


def test_an_object_is_unpacked_and_known_by_its_etag(storage: str, tmp_path: Path) -> None:
    for location in ("gs://bucket/context.tar.gz", "gs://bucket", "gs://bucket/a%20folder/b+1.tar"):
        context = opened(location, tmp_path, environment={"STORAGE_EMULATOR_HOST": storage})
        assert files(context) == {"sub/file": "F"}
        assert context.resolved


@pytest.mark.parametrize("location", ["gs://bucket/gone.tar", "gs://nowhere/gone.tar"])
def test_what_is_missing_is_named(storage: str, tmp_path: Path, location: str) -> None:
    with pytest.raises(ContextError, match=f"{location}: there is no such object in the bucket"):
        opened(location, tmp_path, environment={"STORAGE_EMULATOR_HOST": storage})


def test_a_token_is_sent_and_a_refusal_is_told(tmp_path: Path) -> None:
    token = {"GET /computeMetadata/v1/instance/service-accounts/default/token": b'{"access_token": "t0ken"}'}
    object_line = "GET /storage/v1/b/bucket/o/context.tar.gz?alt=media"
    for answer, error in ((ARCHIVE, None), (403, "the credentials do not allow it"), (500, "status 500")):
        with answering({**token, object_line: answer}) as service:
            given = {"GCE_METADATA_HOST": service.address.removeprefix("http://")}
            if error:
                with pytest.raises(BuilderError, match=error) as caught:
                    opened("gs://bucket", tmp_path, environment=given, http=Redirected(service.address))
                assert "t0ken" not in str(caught.value)
            else:
                opened("gs://bucket", tmp_path, environment=given, http=Redirected(service.address))
            asked = next(request for request in service.asked if request.line == object_line)
            assert asked.headers["Authorization"] == "Bearer t0ken"
            assert asked.headers["Host"] == "storage.googleapis.com"


def test_where_there_are_no_credentials_it_is_said(tmp_path: Path) -> None:
    nowhere = {"GCE_METADATA_HOST": "127.0.0.1:1"}
    with (
        answering({"GET /storage/v1/b/bucket/o/context.tar.gz?alt=media": 401}) as service,
        pytest.raises(ContextError, match="no credentials of Google were found"),
    ):
        opened("gs://bucket", tmp_path, environment=nowhere, http=Redirected(service.address))


def test_credentials_may_be_given_as_text_for_the_context_alone(tmp_path: Path) -> None:
    user = {"client_id": "i", "client_secret": "s", "refresh_token": "r"}
    object_line = "GET /storage/v1/b/bucket/o/context.tar.gz?alt=media"
    with answering({"POST /token": b'{"access_token": "t0ken"}', object_line: ARCHIVE}) as service:
        given = {"type": "authorized_user", "token_uri": f"{service.address}/token", **user}
        environment = {
            "GCS_CREDENTIALS": json.dumps(given),
            "GOOGLE_APPLICATION_CREDENTIALS": "/of/registries",
        }
        opened("gs://bucket", tmp_path, environment=environment, http=Redirected(service.address))
        assert service.asked[-1].headers["Authorization"] == "Bearer t0ken"


def test_given_credentials_that_are_none_are_not_shown(tmp_path: Path) -> None:
    for text, why in (("hunter2", "is no JSON"), ('{"type": "hunter2"}', "of a kind that is not supported")):
        with pytest.raises(ContextError, match=why) as caught:
            opened("gs://bucket", tmp_path, environment={"GCS_CREDENTIALS": text})
        assert "hunter2" not in str(caught.value)
