"""Contexts in Google Cloud Storage, from fake-gcs-server."""

import gzip
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import archives
from support.buckets import WHY_NO_GCS, google
from support.contexts import files, opened
from yadokari_builder.errors import ContextError

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="archives are unpacked by root"),
    pytest.mark.skipif(bool(WHY_NO_GCS), reason=WHY_NO_GCS),
]

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
