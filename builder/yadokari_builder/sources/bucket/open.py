"""Build contexts that are archives in buckets: `s3://BUCKET/KEY` and its likes."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from urllib.parse import unquote

import urllib3

from yadokari_builder.dockerfile.urls import without_credentials
from yadokari_builder.errors import ContextError
from yadokari_builder.registry.http.failures import printable
from yadokari_builder.sources.archive import unpack_context
from yadokari_builder.sources.bucket.blob import open_blob
from yadokari_builder.sources.bucket.gcs import open_gcs
from yadokari_builder.sources.bucket.s3 import open_s3
from yadokari_builder.sources.context import Context, Location, Surroundings
from yadokari_builder.sources.web import Body

_DEFAULT_KEY = "context.tar.gz"
_MAX_TAG = 200
_MAX_NAME = 500

_Open = Callable[[str, str, Surroundings, str], AbstractContextManager[urllib3.BaseHTTPResponse]]
_STORAGES: Mapping[str, _Open] = {"s3": open_s3, "gs": open_gcs}


def open_bucket(location: Location, around: Surroundings) -> Context:
    """Unpack an object, `context.tar.gz` where none is named; the context is resolved to its ETag.

    Raises ContextError, and DownloadError where trying again may help.
    """
    bucket, _, key = location.rest.partition("/")
    if not bucket:
        raise ContextError(f"{location}: it names no bucket, as in {location.scheme}://BUCKET/KEY")
    key = unquote(key) or _DEFAULT_KEY
    name = printable(f"{location.scheme}://{bucket}/{key}", _MAX_NAME)
    with _STORAGES[location.scheme](bucket, key, around, name) as response:
        return _unpacked(response, around, name)


def open_azure(location: Location, around: Surroundings) -> Context:
    """Unpack a blob of Azure's storage; see `open_bucket`."""
    with open_blob(location, around) as response:
        return _unpacked(response, around, without_credentials(str(location)))


def _unpacked(response: urllib3.BaseHTTPResponse, around: Surroundings, name: str) -> Context:
    folder = around.place.new_folder()
    tag = response.headers.get("ETag", "").strip('"')
    digest = unpack_context(Body(response), folder, name, around.allowance())
    return Context(folder, resolved=printable(tag, _MAX_TAG) or digest)
