"""Contexts that are archives on the web."""

import base64
import gzip
import hashlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import archives
from support.contexts import files, opened
from support.hostile import hostile_server, saying
from support.services import answering
from support.web import serving_files
from yadokari_builder.errors import ContextError, DownloadError

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="archives are unpacked by root")

ARCHIVE = gzip.compress(archives.archive(archives.file("sub/file", b"F")).getvalue())


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    served = tmp_path / "served"
    served.mkdir()
    (served / "context.tar.gz").write_bytes(ARCHIVE)
    (served / "page").write_text("<html>" * 1000)
    with serving_files(served) as address:
        yield address


def test_an_archive_is_unpacked_from_the_web(tmp_path: Path, address: str) -> None:
    context = opened(f"{address}/context.tar.gz", tmp_path)
    assert files(context) == {"sub/file": "F"}
    assert context.resolved == f"sha256:{hashlib.sha256(ARCHIVE).hexdigest()}"


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_a_checksum_says_which_archive_it_must_be(tmp_path: Path, address: str, algorithm: str) -> None:
    good, bad = (f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}" for data in (ARCHIVE, b"other"))
    assert opened(f"{address}/context.tar.gz#{good}", tmp_path).resolved == good
    with pytest.raises(ContextError, match=rf"digest mismatch for .*: {good} \(expected: {bad}\)"):
        opened(f"{address}/context.tar.gz#{bad}", tmp_path)


@pytest.mark.parametrize("fragment", ["main", "sha256:1", "md5:0123"])
def test_a_fragment_that_is_no_checksum_is_refused(tmp_path: Path, address: str, fragment: str) -> None:
    with pytest.raises(ContextError, match="what follows # is the checksum of an archive"):
        opened(f"{address}/context.tar.gz#{fragment}", tmp_path)


@pytest.mark.parametrize(
    ("path", "message"),
    [("gone", "gone: invalid response status 404"), ("page", "page cannot be unpacked: ")],
)
def test_what_is_no_archive_is_named(tmp_path: Path, address: str, path: str, message: str) -> None:
    with pytest.raises(ContextError, match=message):
        opened(f"{address}/{path}", tmp_path)


def test_what_is_secret_in_a_url_is_never_shown(
    tmp_path: Path, address: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "yadokari_builder")
    site = address.removeprefix("http://")
    for rest in ("gone?token=hunter1", "page?token=hunter2", "gone?token=hunter3#sha256:1"):
        with pytest.raises(ContextError) as caught:
            opened(f"http://me:hunter0@{site}/{rest}", tmp_path)
        assert "hunter" not in str(caught.value) + caplog.text


def test_a_transfer_that_breaks_may_be_tried_again(tmp_path: Path) -> None:
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(ARCHIVE)}\r\n\r\n".encode()
    with hostile_server(saying(head + ARCHIVE[:-10])) as site, pytest.raises(DownloadError, match="fetched"):
        opened(f"http://{site}/context.tar.gz", tmp_path)


LOGIN = {"HTTP_USERNAME": "me@work", "HTTP_PASSWORD": "p:a/s@s"}


def test_credentials_of_the_environment_go_to_the_server_that_the_context_names(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with answering({"GET /context.tar.gz": ARCHIVE}) as service:
        context = opened(f"{service.address}/context.tar.gz", tmp_path, environment=LOGIN)
        site = service.address.removeprefix("http://")
        opened(f"http://other@{site}/context.tar.gz", tmp_path, environment=LOGIN)
    assert files(context) == {"sub/file": "F"}
    sent = [base64.b64decode(it.headers["authorization"].removeprefix("Basic ")) for it in service.asked]
    assert sent == [b"me@work:p:a/s@s", b"other:"]
    assert "p:a/s@s" not in caplog.text
    assert "over plain HTTP" in caplog.text


def test_a_refusal_does_not_show_the_password(tmp_path: Path) -> None:
    with (
        answering({"GET /context.tar.gz": 403}) as service,
        pytest.raises(ContextError, match="status 403") as caught,
    ):
        opened(f"{service.address}/context.tar.gz", tmp_path, environment=LOGIN)
    assert "p:a" not in str(caught.value)
    assert "p%3Aa" not in str(caught.value)
