"""Uploading blobs and manifests to one repository (distribution-spec, "Push")."""

import io
import logging
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from threading import Event
from types import MappingProxyType
from typing import BinaryIO, TypeVar, cast
from urllib.parse import urlencode, urlsplit

from yadokari_builder.errors import CancelledError, PushError, RegistryError
from yadokari_builder.oci.descriptor import Descriptor
from yadokari_builder.oci.digest import Digest
from yadokari_builder.oci.reference import Repository
from yadokari_builder.registry.client import RegistryClient, Request, said_digest
from yadokari_builder.registry.http.failures import printable
from yadokari_builder.registry.http.transport import Answer, TransportError
from yadokari_builder.registry.source import GrowingSource

logger = logging.getLogger(__name__)

T = TypeVar("T")

_CHUNK = 16 * 1024 * 1024
_TOO_LARGE = 413
_REFUSALS = frozenset({400, 403, 405, 409, 412})
_NOT_IMPLEMENTED = 501


class Uploads:
    """Uploads to a repository; `stop` ends those that are under way with `CancelledError`.

    Errors are those of `RegistryClient`.
    """

    def __init__(self, client: RegistryClient, repository: Repository, stop: Event) -> None:
        self._client = client
        self._stop = stop
        self.repository = repository

    def check(self) -> None:
        """Find out whether uploads are allowed: one is begun and given up."""
        location = self._client.call(
            self.request("POST", "blobs/uploads/", "push (begin an upload)", {202}), _location
        )
        # Some registries want a right of its own for this, which is not worth a further token.
        give_up = self.request("DELETE", location, "give up an upload", range(200, 600), insist=False)
        try:
            self._client.call_once(give_up, _done)
        except RegistryError:
            # What is given up without a word is removed by the registry in time.
            return

    def exists(self, digest: Digest) -> bool:
        """Tell whether the repository has a blob, as far as it says so.

        What refuses to be asked may take uploads, and says of them why not: the answer to HEAD has no words.
        """
        expected = {200, 404, _NOT_IMPLEMENTED, *_REFUSALS}
        request = self.request("HEAD", f"blobs/{digest}", f"look for blob {digest}", expected)
        return self._client.call(request, _status) == 200

    def mount(self, digest: Digest, source: Repository) -> bool:
        """Have a blob of another repository of this registry; False where the registry does not do that."""
        query = urlencode({"mount": str(digest), "from": source.name})
        request = self.request(
            "POST",
            f"blobs/uploads/?{query}",
            f"mount blob {digest} from {source.name}",
            range(200, 500),
            also_pull=source.name,
        )
        # 202 begins an upload instead, which is left to the registry; refusals are met by uploading, too, and
        # failures: where a registry fails at mounting it may well take uploads.
        try:
            return self._client.call(request, _status) == 201
        except RegistryError as error:
            # Some token servers give no token at all where one of two rights is wanting.
            logger.debug("a layer is uploaded, and not mounted: %s", error)
            return False

    def upload(self, descriptor: Descriptor, open_blob: Callable[[], BinaryIO]) -> None:
        """Upload a blob, from its beginning again after temporary errors."""
        try:
            self._client.retry.run(lambda: self._upload_whole(descriptor, open_blob))
        except RegistryError as error:
            if error.status != _TOO_LARGE:
                raise
            self._client.retry.run(_Chunks(self, descriptor, open_blob).go_on)

    def upload_growing(self, source: GrowingSource) -> None:
        """Upload a blob while it is made, as one chunk without a length (as Docker's push does it).

        Nothing is tried again: the blob can be uploaded in the end as any other.
        """
        location = self.begin("a blob in the making")
        request = self.request(
            "PATCH",
            location,
            "push a blob in the making",
            {202, 204},
            headers={"Content-Type": "application/octet-stream"},
            body=lambda: cast(BinaryIO, _Body(source.open(), self._stop, None)),
            length=None,
        )
        location = self._client.call_once(request, _location)
        digest = source.descriptor().digest
        end = self.request("PUT", _with_digest(location, digest), f"push blob {digest}", {201, 204})
        self._client.call_once(end, _done)

    def put_manifest(self, name: str, data: bytes, media_type: str) -> None:
        """Upload a manifest under a tag or digest; raises `PushError` if the registry stored another."""
        request = self.request(
            "PUT",
            f"manifests/{name}",
            f"push manifest {name}",
            {200, 201, 202},
            headers={"Content-Type": media_type},
            body=lambda: io.BytesIO(data),
            length=len(data),
        )
        stored = self._client.call(request, said_digest)
        if stored and stored != str(Digest.of(data)):
            raise PushError(
                f"{self.repository}: the registry stored manifest {name} as {printable(stored, 80)},"
                f" not as {Digest.of(data)}"
            )

    def _upload_whole(self, descriptor: Descriptor, open_blob: Callable[[], BinaryIO]) -> None:
        location = self.begin(f"blob {descriptor.digest}")
        request = self.request(
            "PUT",
            _with_digest(location, descriptor.digest),
            f"push blob {descriptor.digest}",
            {201, 204},
            headers={"Content-Type": "application/octet-stream"},
            body=lambda: cast(BinaryIO, _Body(open_blob(), self._stop, descriptor.size)),
            length=descriptor.size,
        )
        self._client.call_once(request, _done)

    def call_once(self, request: Request, consume: Callable[[Answer], T]) -> T:
        """Send a request; see `RegistryClient.call_once`."""
        return self._client.call_once(request, consume)

    def body(self, blob: BinaryIO, length: int) -> BinaryIO:
        """Return the next bytes of a blob, which stays open."""
        return cast(BinaryIO, _Body(blob, self._stop, length, closes=False))

    def begin(self, blob: str) -> str:
        """Begin an upload; returns where to send it."""
        task = f"push {blob} (begin an upload)"
        return self._client.call_once(self.request("POST", "blobs/uploads/", task, {202}), _location)

    def request(
        self,
        method: str,
        url: str,
        task: str,
        expected: Iterable[int],
        *,
        also_pull: str = "",
        insist: bool = True,
        headers: Mapping[str, str] = MappingProxyType({}),
        body: Callable[[], BinaryIO] | None = None,
        length: int | None = 0,
    ) -> Request:
        """Make a request about the repository with the right to push; see `Request`."""
        return Request(
            method=method,
            repository=self.repository,
            url=url,
            task=task,
            expected=frozenset(expected),
            push=True,
            also_pull=also_pull,
            insist=insist,
            headers=headers,
            body=body,
            length=length,
        )


class _Chunks:
    """The upload of a blob in chunks, which goes on where the registry has got to (distribution-spec)."""

    def __init__(self, uploads: Uploads, descriptor: Descriptor, open_blob: Callable[[], BinaryIO]) -> None:
        self._uploads = uploads
        self._descriptor = descriptor
        self._open = open_blob
        self._task = f"push blob {descriptor.digest}"
        self._location = ""

    def go_on(self) -> None:
        """Send what the registry lacks; after a temporary error it can be called again."""
        uploads, size = self._uploads, self._descriptor.size
        start = self._progress()
        with closing(self._open()) as blob:
            _skip(blob, start)
            while start < size:
                start = self._send(blob, start)
        url = _with_digest(self._location, self._descriptor.digest)
        uploads.call_once(uploads.request("PUT", url, self._task, {201, 204}), _done)

    def _progress(self) -> int:
        """Return how many bytes the registry has; an upload that it knows no more is begun again."""
        if self._location:
            task = f"{self._task} (ask how far it is)"
            request = self._uploads.request("GET", self._location, task, range(200, 500))
            reached, location = self._uploads.call_once(request, _reached)
            if 0 <= reached <= self._descriptor.size:
                self._location = location or self._location
                return reached
        self._location = self._uploads.begin(f"blob {self._descriptor.digest}")
        return 0

    def _send(self, blob: BinaryIO, start: int) -> int:
        length = min(_CHUNK, self._descriptor.size - start)
        request = self._uploads.request(
            "PATCH",
            self._location,
            f"{self._task} from byte {start}",
            {202, 204},
            headers={
                "Content-Type": "application/octet-stream",
                "Content-Range": f"{start}-{start + length - 1}",
            },
            body=lambda: self._section(blob, start, length),
            length=length,
        )
        self._location = self._uploads.call_once(request, _location)
        return start + length

    def _section(self, blob: BinaryIO, start: int, length: int) -> BinaryIO:
        if blob.tell() != start:
            # Asked again, by another authorization for instance, when a part is gone.
            raise RegistryError(f"{self._uploads.repository}: a chunk must be sent again", temporary=True)
        return self._uploads.body(blob, length)


class _Body(io.RawIOBase):
    """The next `length` bytes of a blob, or all, to be sent unless that is stopped."""

    def __init__(self, blob: BinaryIO, stop: Event, length: int | None, *, closes: bool = True) -> None:
        self._blob = blob
        self._stop = stop
        self._left = length
        self._closes = closes

    def read(self, size: int = -1, /) -> bytes:
        if self._stop.is_set():
            raise CancelledError("the push was given up")
        if self._left is None:
            return self._blob.read(size)
        data = self._blob.read(min(size, self._left))
        if not data and self._left:
            # Less than was announced: the registry would wait for the rest.
            raise RegistryError(f"a blob ended {self._left} bytes early")
        self._left -= len(data)
        return data

    def close(self) -> None:
        if self._closes:
            self._blob.close()
        super().close()


def is_immutable(error: RegistryError) -> bool:
    """Tell whether a tag may not be overwritten: the specification has no code for that.

    ECR answers 400 TAG_INVALID, Harbor 412 PRECONDITION, Google 400 MANIFEST_INVALID, all in such words.
    """
    return error.status in _REFUSALS and re.search("immutab(le|ility)", str(error), re.IGNORECASE) is not None


def _done(answer: Answer) -> None:
    answer.discard()


def _status(answer: Answer) -> int:
    answer.discard()
    return answer.status


def _reached(answer: Answer) -> tuple[int, str]:
    """Return how many bytes of an upload a registry has, -1 if it does not say, and where it goes on."""
    answer.discard()
    told = re.fullmatch(r"(?:bytes=)?0-([0-9]{1,18})", answer.headers.get("Range", ""))
    if answer.status not in (200, 202, 204) or not told:
        return -1, ""
    # distribution says 0-0 where it has nothing.
    last = int(told[1])
    return last + 1 if last else 0, answer.headers.get("Location", "")


def _skip(blob: BinaryIO, size: int) -> None:
    """Go to a place in a blob that has just been opened."""
    if blob.seekable():
        blob.seek(size)
        return
    while size and (data := blob.read(min(size, _CHUNK))):
        size -= len(data)


def _location(answer: Answer) -> str:
    answer.discard()
    location = answer.headers.get("Location")
    if not location:
        raise TransportError("the registry does not say where to upload to", status=answer.status)
    return location


def _with_digest(location: str, digest: Digest) -> str:
    return f"{location}{'&' if urlsplit(location).query else '?'}{urlencode({'digest': str(digest)})}"
