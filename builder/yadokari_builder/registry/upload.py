"""Uploading blobs and manifests to one repository (distribution-spec, "Push")."""

import io
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from threading import Event
from types import MappingProxyType
from typing import BinaryIO, cast
from urllib.parse import urlencode, urlsplit

from yadokari_builder.errors import CancelledError, PushError, RegistryError, UnauthorizedError
from yadokari_builder.oci.descriptor import Descriptor
from yadokari_builder.oci.digest import Digest
from yadokari_builder.oci.reference import Repository
from yadokari_builder.registry.client import RegistryClient, Request
from yadokari_builder.registry.http.failures import printable
from yadokari_builder.registry.http.transport import Answer, TransportError
from yadokari_builder.registry.source import GrowingSource

_CHUNK = 16 * 1024 * 1024
_TOO_LARGE = 413


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
            self._request("POST", "blobs/uploads/", "push (begin an upload)", {202}), _location
        )
        # Some registries want a right of its own for this, which is not worth a further token.
        give_up = self._request("DELETE", location, "give up an upload", range(200, 600), insist=False)
        try:
            self._client.call_once(give_up, _done)
        except RegistryError:
            # What is given up without a word is removed by the registry in time.
            return

    def exists(self, digest: Digest) -> bool:
        """Tell whether the repository has a blob."""
        request = self._request("HEAD", f"blobs/{digest}", f"look for blob {digest}", {200, 404})
        return self._client.call(request, _status) == 200

    def mount(self, digest: Digest, source: Repository) -> bool:
        """Have a blob of another repository of this registry; False where the registry does not do that."""
        query = urlencode({"mount": str(digest), "from": source.name})
        request = self._request(
            "POST",
            f"blobs/uploads/?{query}",
            f"mount blob {digest} from {source.name}",
            range(200, 500),
            also_pull=source.name,
        )
        # 202 begins an upload instead, which is left to the registry; refusals are met by uploading, too.
        try:
            return self._client.call(request, _status) == 201
        except UnauthorizedError:
            # Some token servers give no token at all where one of two rights is wanting.
            return False

    def upload(self, descriptor: Descriptor, open_blob: Callable[[], BinaryIO]) -> None:
        """Upload a blob, from its beginning again after temporary errors."""
        try:
            self._client.retry.run(lambda: self._upload_whole(descriptor, open_blob))
        except RegistryError as error:
            if error.status != _TOO_LARGE:
                raise
            self._client.retry.run(lambda: self._upload_in_chunks(descriptor, open_blob))

    def upload_growing(self, source: GrowingSource) -> None:
        """Upload a blob while it is made, as one chunk without a length (as Docker's push does it).

        Nothing is tried again: the blob can be uploaded in the end as any other.
        """
        location = self._begin("a blob in the making")
        request = self._request(
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
        end = self._request("PUT", _with_digest(location, digest), f"push blob {digest}", {201, 204})
        self._client.call_once(end, _done)

    def put_manifest(self, name: str, data: bytes, media_type: str) -> None:
        """Upload a manifest under a tag or digest; raises `PushError` if the registry stored another."""
        request = self._request(
            "PUT",
            f"manifests/{name}",
            f"push manifest {name}",
            {200, 201, 202},
            headers={"Content-Type": media_type},
            body=lambda: io.BytesIO(data),
            length=len(data),
        )
        stored = self._client.call(request, _content_digest)
        if stored and stored != str(Digest.of(data)):
            raise PushError(
                f"{self.repository}: the registry stored manifest {name} as {printable(stored, 80)},"
                f" not as {Digest.of(data)}"
            )

    def _upload_whole(self, descriptor: Descriptor, open_blob: Callable[[], BinaryIO]) -> None:
        location = self._begin(f"blob {descriptor.digest}")
        request = self._request(
            "PUT",
            _with_digest(location, descriptor.digest),
            f"push blob {descriptor.digest}",
            {201, 204},
            headers={"Content-Type": "application/octet-stream"},
            body=lambda: cast(BinaryIO, _Body(open_blob(), self._stop, descriptor.size)),
            length=descriptor.size,
        )
        self._client.call_once(request, _done)

    def _upload_in_chunks(self, descriptor: Descriptor, open_blob: Callable[[], BinaryIO]) -> None:
        location = self._begin(f"blob {descriptor.digest}")
        with closing(open_blob()) as blob:
            for start in range(0, descriptor.size, _CHUNK):
                location = self._send_chunk(location, descriptor, blob, start)
        url = _with_digest(location, descriptor.digest)
        self._client.call_once(self._request("PUT", url, f"push blob {descriptor.digest}", {201, 204}), _done)

    def _send_chunk(self, location: str, descriptor: Descriptor, blob: BinaryIO, start: int) -> str:
        length = min(_CHUNK, descriptor.size - start)
        request = self._request(
            "PATCH",
            location,
            f"push blob {descriptor.digest} from byte {start}",
            {202, 204},
            headers={
                "Content-Type": "application/octet-stream",
                "Content-Range": f"{start}-{start + length - 1}",
            },
            body=lambda: self._section(blob, start, length),
            length=length,
        )
        return self._client.call_once(request, _location)

    def _begin(self, blob: str) -> str:
        task = f"push {blob} (begin an upload)"
        return self._client.call_once(self._request("POST", "blobs/uploads/", task, {202}), _location)

    def _section(self, blob: BinaryIO, start: int, length: int) -> BinaryIO:
        if blob.tell() != start:
            raise RegistryError(f"{self.repository}: an upload must begin again", temporary=True)
        return cast(BinaryIO, _Body(blob, self._stop, length, closes=False))

    def _request(
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


def _done(answer: Answer) -> None:
    answer.discard()


def _status(answer: Answer) -> int:
    answer.discard()
    return answer.status


def _content_digest(answer: Answer) -> str:
    answer.discard()
    return answer.headers.get("Docker-Content-Digest", "")


def _location(answer: Answer) -> str:
    answer.discard()
    location = answer.headers.get("Location")
    if not location:
        raise TransportError("the registry does not say where to upload to", status=answer.status)
    return location


def _with_digest(location: str, digest: Digest) -> str:
    return f"{location}{'&' if urlsplit(location).query else '?'}{urlencode({'digest': str(digest)})}"
