"""Checksums that ADD --checksum gives for a download: `sha256:`, `sha384:` or `sha512:` and a hash in hex."""

import re
from dataclasses import dataclass

from yadokari_builder.dockerfile.location import LanguageError

_LENGTHS = {"sha256": 64, "sha384": 96, "sha512": 128}
_DIGEST = re.compile("[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[a-zA-Z0-9=_-]+")


@dataclass(frozen=True, slots=True)
class Checksum:
    """What a download must hash to; `hex` is lower case."""

    algorithm: str
    hex: str

    @classmethod
    def parse(cls, text: str) -> "Checksum":
        """Read a checksum (go-digest: `digest.Parse`); raises LanguageError."""
        algorithm, _, digits = text.partition(":")
        if algorithm not in _LENGTHS and _DIGEST.fullmatch(text):
            raise LanguageError(f"unsupported digest algorithm: {text}", text)
        if digits and len(digits) != _LENGTHS.get(algorithm, len(digits)):
            raise LanguageError(f"invalid checksum digest length: {text}", text)
        if algorithm not in _LENGTHS or not re.fullmatch("[0-9a-f]+", digits):
            raise LanguageError(f"invalid checksum digest format: {text}", text)
        return cls(algorithm, digits)

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.hex}"
