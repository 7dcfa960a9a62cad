"""Contexts in S3, from moto, which checks signatures."""

import gzip
import hashlib
import logging
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from support import archives
from support.buckets import WHY_NO_MOTO, Moto, moto
from support.contexts import files, opened
from support.hostile import hostile_server, saying
from yadokari_builder.errors import ContextError, DownloadError
from yadokari_builder.sources.bucket.s3 import S3Object
from yadokari_builder.sources.context import Context

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="archives are unpacked by root")

ARCHIVE = gzip.compress(archives.archive(archives.file("sub/file", b"F")).getvalue())
NOWHERE = {"AWS_EC2_METADATA_DISABLED": "true", "HOME": "/nonexistent"}


@pytest.fixture(scope="module")
def storage() -> Iterator[Moto]:
    if WHY_NO_MOTO:
        pytest.skip(WHY_NO_MOTO)
    with moto({"context.tar.gz": ARCHIVE, "deep/b~1.tar": ARCHIVE, "page": b"<html>" * 500}) as running:
        yield running


def opened_in(storage: Moto, location: str, folder: Path, variables: Mapping[str, str]) -> Context:
    return opened(location, folder, environment={**NOWHERE, "S3_ENDPOINT": storage.address, **variables})


def test_an_object_is_unpacked_and_known_by_its_etag(storage: Moto, tmp_path: Path) -> None:
    for location in ("s3://bucket/context.tar.gz", "s3://bucket", "s3://bucket/deep/b%7E1.tar"):
        context = opened_in(storage, location, tmp_path, storage.keys)
        assert files(context) == {"sub/file": "F"}
        assert context.resolved == hashlib.md5(ARCHIVE).hexdigest()


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("s3://bucket/gone.tar", "s3://bucket/gone.tar: there is no such object in the bucket bucket"),
        ("s3://nowhere/gone.tar", "there is no such object in the bucket nowhere, or no such bucket"),
        ("s3://bucket/page", "s3://bucket/page cannot be unpacked"),
        ("s3:///x", "it names no bucket, as in s3://BUCKET/KEY"),
    ],
)
def test_what_is_missing_is_named(storage: Moto, tmp_path: Path, location: str, message: str) -> None:
    with pytest.raises(ContextError, match=message):
        opened_in(storage, location, tmp_path, storage.keys)


def test_credentials_that_do_not_fit_are_told_and_never_shown(
    storage: Moto, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "yadokari_builder")
    wrong = {**storage.keys, "AWS_SECRET_ACCESS_KEY": "hunter2hunter2"}
    with pytest.raises(ContextError, match="the credentials do not allow it") as caught:
        opened_in(storage, "s3://bucket", tmp_path, wrong)
    assert "hunter" not in str(caught.value) + caplog.text
    with pytest.raises(ContextError, match="no credentials of AWS were found"):
        opened_in(storage, "s3://bucket", tmp_path, {})


def test_keys_come_from_a_file_of_aws_s_programs(storage: Moto, tmp_path: Path) -> None:
    lines = [f"{name.lower()} = {value}\n" for name, value in storage.keys.items()]
    (tmp_path / "credentials").write_text("[default]\naws_access_key_id = x\n[ci]\n" + "".join(lines))
    variables = {"AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"), "AWS_PROFILE": "ci"}
    assert files(opened_in(storage, "s3://bucket", tmp_path, variables)) == {"sub/file": "F"}


def test_a_server_in_trouble_may_be_tried_again(tmp_path: Path) -> None:
    answers = {
        b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\n\r\n": "status 503",
        f"HTTP/1.1 200 OK\r\nContent-Length: {len(ARCHIVE)}\r\n\r\n".encode()
        + ARCHIVE[:50]: "cannot be fetched",
    }
    for answer, message in answers.items():
        with hostile_server(saying(answer)) as site, pytest.raises(DownloadError, match=message):
            opened("s3://bucket", tmp_path, environment={**NOWHERE, "S3_ENDPOINT": f"http://{site}"})


def test_an_object_is_asked_for_at_its_bucket_s_host_unless_that_cannot_be() -> None:
    assert S3Object("b", "a b/c", "eu-west-1").url == "https://b.s3.eu-west-1.amazonaws.com/a%20b/c"
    assert S3Object("b.c", "k", "eu-west-1").url == "https://s3.eu-west-1.amazonaws.com/b.c/k"
    assert S3Object("b", "k", "r", "https://minio:9000").url == "https://b.minio:9000/k"
    assert S3Object("b", "k", "r", "https://minio:9000", by_path=True).url == "https://minio:9000/b/k"
    assert S3Object("b", "k", "r", "http://[::1]:9000").url == "http://[::1]:9000/b/k"
