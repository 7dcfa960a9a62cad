"""Blobs as streams whose size and digest are checked while they are read."""

import io
import logging
from typing import NoReturn

from urllib3.exceptions import HTTPError

from yadokari_builder.errors import ImageInvalidError, RegistryError
from yadokari_builder.oci.descriptor import Descriptor
from yadokari_builder.oci.reference import Repository
from yadokari_builder.registry.client import RegistryClient, Request
from yadokari_builder.registry.http.failures import printable
from yadokari_builder.registry.http.transport import Answer, TransportError, describe_failure

logger = logging.getLogger(__name__)

_CHUNK = 1024 * 1024
_RESUMES = 10


class BlobStream(io.RawIOBase):
    """Reads a blob of a registry; for one thread at a time.

    A connection that breaks is made anew where it broke (RFC 9110, section 14), `_RESUMES` times or as often
    as the client tries anything again.
    The bytes that complete the blob are handed out only if size and digest are right: otherwise
    `ImageInvalidError` is raised in their place. Other errors are those of `RegistryClient`.
    """

    def __init__(self, client: RegistryClient, repository: Repository, descriptor: Descriptor) -> None:
        self._client = client
        self._repository = repository
        self._descriptor = descriptor
        self._hash = descriptor.digest.hasher()
        self._offset = 0
        self._resumes = 0
        self._max_resumes = max(_RESUMES, client.retry.attempts - 1)
        self._answer: Answer | None = self._open()
        self._check_complete()

    def readable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return how many bytes have been read."""
        return self._offset

    def read(self, size: int | None = -1, /) -> bytes:
        """Read up to `size` bytes, at most a mebibyte at once; b"" at the end alone."""
        if size is None or size < 0:
            return self.readall()
        size = min(size, _CHUNK, self._descriptor.size - self._offset)
        data = self._receive(size) if size else b""
        self._offset += len(data)
        self._hash.update(data)
        if data:
            self._check_complete()
        return data

    def readinto(self, buffer: "memoryview | bytearray", /) -> int:  # type: ignore[override]
        """Read into a buffer."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """Close the connection, unless the blob has been read to its end."""
        self._drop()
        super().close()

    def _receive(self, size: int) -> bytes:
        while True:
            if self._answer is None:
                self._answer = self._open()
            try:
                data = self._answer.response.read(size)
                broken = "it ended early"
            except (HTTPError, OSError) as error:
                data = b""
                broken = describe_failure(error)
            if data:
                return data
            self._note_break(broken)

    def _note_break(self, reason: str) -> None:
        self._drop()
        self._resumes += 1
        blob = f"{self._repository}: blob {self._descriptor.digest}"
        text = f"{blob}: the connection broke at byte {self._offset}: {reason}"
        if self._resumes > self._max_resumes:
            raise RegistryError(f"{text}; it was made anew {self._max_resumes} times", temporary=True)
        logger.info("%s; going on from there", text)

    def _open(self) -> Answer:
        # go-containerregistry's registry takes no range without an end.
        headers = {"Range": f"bytes={self._offset}-{self._descriptor.size - 1}"} if self._offset else {}
        request = Request(
            method="GET",
            repository=self._repository,
            url=f"blobs/{self._descriptor.digest}",
            task=f"pull blob {self._descriptor.digest}",
            expected=frozenset({200, 206} if self._offset else {200}),
            headers=headers,
        )
        return self._client.call(request, self._positioned)

    def _positioned(self, answer: Answer) -> Answer:
        """Bring an answer to the place where reading goes on, whether or not the registry knows ranges."""
        if answer.status == 206:
            if answer.headers.get("Content-Range", "").startswith(f"bytes {self._offset}-"):
                return answer
            answer.response.close()
            raise TransportError("another range was sent than the one asked for", temporary=True)
        length = answer.headers.get("Content-Length")
        if length is not None and length != str(self._descriptor.size):
            answer.response.close()
            self._fail(f"the registry's has {printable(length, 20)} bytes, not {self._descriptor.size}")
        self._skip(answer)
        return answer

    def _skip(self, answer: Answer) -> None:
        left = self._offset
        while left:
            try:
                data = answer.response.read(min(left, _CHUNK))
            except (HTTPError, OSError) as error:
                raise TransportError(describe_failure(error), temporary=True) from error
            if not data:
                raise TransportError("it ended early", temporary=True)
            left -= len(data)

    def _check_complete(self) -> None:
        if self._offset < self._descriptor.size:
            return
        if self._hash.hexdigest() != self._descriptor.digest.hex:
            self._drop()
            self._fail(f"its content has the digest {self._hash.hexdigest()}")
        if self._answer is not None:
            self._answer.discard()
            self._answer = None

    def _fail(self, why: str) -> NoReturn:
        raise ImageInvalidError(f"{self._repository}: blob {self._descriptor.digest} is wrong: {why}")

    def _drop(self) -> None:
        if self._answer is not None:
            self._answer.response.close()
            self._answer = None
