"""Digests: the names of contents (image-spec, descriptor.md, "Digests")."""

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from yadokari_builder.errors import ImageInvalidError

if TYPE_CHECKING:
    from hashlib import _Hash

_HEX_LENGTHS = {"sha256": 64, "sha512": 128}
_HEX = re.compile("[0-9a-f]+")


@dataclass(frozen=True, slots=True, order=True)
class Digest:
    """The hash of a content; `hex` is lower case.

    The algorithms that the specification registers are accepted, no others; anything else raises
    `ImageInvalidError`.
    """

    algorithm: str
    hex: str

    def __post_init__(self) -> None:
        length = _HEX_LENGTHS.get(self.algorithm)
        if length is None:
            raise ImageInvalidError(f"digest {str(self)[:160]!r}: the algorithm is not sha256 or sha512")
        if len(self.hex) != length or not _HEX.fullmatch(self.hex):
            raise ImageInvalidError(f"digest {str(self)[:160]!r}: {length} lower-case hex digits are wanted")

    @classmethod
    def parse(cls, text: str) -> "Digest":
        """Read `algorithm:hex`."""
        algorithm, _, hex_digits = text.partition(":")
        return cls(algorithm, hex_digits)

    @classmethod
    def of(cls, data: bytes) -> "Digest":
        """Compute the sha256 digest of `data`."""
        return cls("sha256", hashlib.sha256(data).hexdigest())

    def hasher(self) -> "_Hash":
        """Return a new hash object of this digest's algorithm."""
        return hashlib.new(self.algorithm)

    def fits(self, data: bytes) -> bool:
        """Tell whether this is the digest of `data`."""
        hasher = self.hasher()
        hasher.update(data)
        return hasher.hexdigest() == self.hex

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.hex}"
