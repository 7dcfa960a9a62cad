"""Build contexts that are archives: tar, plain or compressed by gzip, bzip2, xz or zstd.

They are as hostile as layers are, and unpacked as these are, into a folder of their own. Other than in a
layer no name means that something is removed.
"""

import hashlib
import logging
import os
from pathlib import Path
from typing import BinaryIO, cast

from yadokari_builder.errors import ContextError, ImageInvalidError, described
from yadokari_builder.layers.allowance import Allowance
from yadokari_builder.layers.compression import decompress
from yadokari_builder.layers.streams import CHUNK_SIZE, HashingReader, Readable
from yadokari_builder.layers.unpack import UnpackReport, unpack
from yadokari_builder.rootfs.boundary import Boundary
from yadokari_builder.sources.context import Context, Location, Surroundings

logger = logging.getLogger(__name__)

_STDIN = "stdin"
_MOST_SHOWN = 3


def open_archive(location: Location, around: Surroundings) -> Context:
    """Unpack the archive in a file, `tar://FILE`, or on standard input, `tar://stdin`."""
    if not location.rest:
        raise ContextError("the build context has no path: name a file, as in --context tar://context.tar.gz")
    is_stdin = location.rest == _STDIN
    path = around.place.cwd / location.rest
    if path.is_dir() and not is_stdin:
        raise ContextError(f"{location} is a folder: name it as dir://{location.rest}")
    try:
        with open(os.dup(around.stdin) if is_stdin else path, "rb", buffering=0) as stream:
            if is_stdin and stream.isatty():
                raise ContextError(f"{location}: standard input is a terminal: pipe an archive into it")
            folder = around.place.new_folder()
            return Context(folder, resolved=unpack_context(stream, folder, str(location), around.allowance()))
    except FileNotFoundError:
        raise ContextError(f"the build context {location} does not exist") from None
    except OSError as error:
        raise ContextError(f"the build context {location}: {described(error)}") from error


def unpack_context(
    stream: Readable,
    folder: Path,
    name: str,
    allowance: Allowance,
    *,
    algorithm: str = "sha256",
    whiteouts: bool = False,
) -> str:
    """Unpack an archive that errors call `name` into a folder; returns its digest, `ALGORITHM:HEX`.

    The stream is read to its end, and its own errors are passed on. `whiteouts` are those of a layer. What is
    written is taken from the `allowance`. Raises ContextError.
    """
    source = _NotEmpty(stream, name, algorithm)
    try:
        archive = decompress(cast(BinaryIO, source))
        _tell(unpack(archive, Boundary(folder), whiteouts=whiteouts, allowance=allowance), name)
    except ImageInvalidError as error:
        raise ContextError(f"{name} cannot be unpacked: {error.message}") from error
    while source.read(CHUNK_SIZE):
        pass  # what follows an archive counts for its digest
    return f"{algorithm}:{source.hexdigest()}"


class _NotEmpty(HashingReader):
    """A stream that must hold something: no archive is empty."""

    def __init__(self, stream: Readable, name: str, algorithm: str) -> None:
        super().__init__(stream, hashlib.new(algorithm))
        self._name = name
        self._is_empty = True

    def read(self, size: int = -1, /) -> bytes:
        data = super().read(size)
        if self._is_empty and not data:
            raise ContextError(f"{self._name} is empty: there is no archive")
        self._is_empty = False
        return data


def _tell(report: UnpackReport, name: str) -> None:
    if report.unsafe_links:
        shown = ", ".join(report.unsafe_links[:_MOST_SHOWN])
        raise ContextError(f"{name}: hard links lead out of the archive: {shown}")
    for attribute, count in report.xattrs.items():
        logger.warning("%s: the attribute %s is left out (%d times)", name, attribute, count)
    if report.devices:
        logger.warning(
            "%s: device files are left out, the node refuses to make them: %d", name, report.devices
        )
