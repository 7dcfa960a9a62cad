"""Objects of Google Cloud Storage."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

import urllib3

from yadokari_builder.errors import ContextError
from yadokari_builder.registry.clouds.exchange import Query, answered
from yadokari_builder.registry.clouds.google import READ_STORAGE, GoogleCredentials
from yadokari_builder.sources.context import Surroundings

_GIVEN = "GCS_CREDENTIALS"
_SERVER = "https://storage.googleapis.com"


@contextmanager
def open_gcs(bucket: str, key: str, around: Surroundings, name: str) -> Iterator[urllib3.BaseHTTPResponse]:
    """Open an object; raises ContextError where it cannot be read, DownloadError for the network.

    GCS_CREDENTIALS holds the text of a file of Google's credentials, for this alone. STORAGE_EMULATOR_HOST
    names another server, which gets no credentials, as Google's own programs have it.
    """
    emulator = around.environment.get("STORAGE_EMULATOR_HOST", "")
    server = (emulator if "://" in emulator else f"http://{emulator}") if emulator else _SERVER
    token = None
    if not emulator:
        given = around.environment.get(_GIVEN, "")
        token = GoogleCredentials(
            READ_STORAGE, around.environment, around.http, around.nearby, time.time, given
        ).find()
    headers = {"Authorization": f"Bearer {token.text}"} if token else {}
    # As it is stored: the server would decompress what was uploaded with a Content-Encoding.
    headers["Accept-Encoding"] = "gzip"
    place = f"storage/v1/b/{quote(bucket, safe='')}/o/{quote(key, safe='')}?alt=media"
    url = f"{server.rstrip('/')}/{place}"
    with answered(Query(url, headers), around.http, name) as response:
        if response.status == 404:
            raise ContextError(f"{name}: there is no such object in the bucket {bucket}, or no such bucket")
        if response.status in (401, 403):
            why = "the credentials do not allow it" if token else "no credentials of Google were found"
            raise ContextError(f"{name} cannot be read, or there is no such object: {why}")
        if response.status != 200:
            raise ContextError(f"{name}: the server answered with status {response.status}")
        yield response
