"""RSA signatures by which service accounts of Google say who they are (RFC 8017, 8.2: RSASSA-PKCS1-v1_5)."""

import base64
import hashlib
import re
from dataclasses import dataclass, field

_SHA256_PREFIX = bytes.fromhex("3031300d060960864801650304020105000420")
_INTEGER, _OCTETS = 0x02, 0x04
_PEM = re.compile(r"-----BEGIN (?:RSA )?PRIVATE KEY-----(.*?)-----END", re.DOTALL)


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """A key: modulus and private exponent."""

    modulus: int = field(repr=False)
    exponent: int = field(repr=False)

    @classmethod
    def parse(cls, pem: str) -> "PrivateKey":
        """Read a PEM file of PKCS#8 or PKCS#1; raises ValueError."""
        found = _PEM.search(pem)
        if not found:
            raise ValueError("this is no private key")
        outer = _elements(base64.b64decode("".join(found[1].split()), validate=True))
        elements = _elements(outer[0][1])
        # PKCS#8 wraps the key of PKCS#1 into an octet string.
        if len(elements) > 2 and elements[2][0] == _OCTETS:
            elements = _elements(_elements(elements[2][1])[0][1])
        numbers = [int.from_bytes(content) for kind, content in elements if kind == _INTEGER]
        if len(numbers) < 4 or numbers[1].bit_length() < 1024:
            raise ValueError("this is no RSA key of 1024 bits or more")
        return cls(numbers[1], numbers[3])

    def sign(self, text: bytes) -> bytes:
        """Return the signature of a text with SHA-256."""
        size = (self.modulus.bit_length() + 7) // 8
        digest = _SHA256_PREFIX + hashlib.sha256(text).digest()
        padded = b"\x00\x01" + b"\xff" * (size - len(digest) - 3) + b"\x00" + digest
        return pow(int.from_bytes(padded), self.exponent, self.modulus).to_bytes(size)


def _elements(data: bytes) -> list[tuple[int, bytes]]:
    """Split DER into elements: their kinds and contents (X.690, 8.1)."""
    found = []
    while data:
        if len(data) < 2:
            raise ValueError("this is no DER")
        length, start = data[1], 2
        if length & 0x80:
            start += length & 0x7F
            length = int.from_bytes(data[2:start])
        if start + length > len(data):
            raise ValueError("this is no DER")
        found.append((data[0], data[start : start + length]))
        data = data[start + length :]
    if not found:
        raise ValueError("this is no DER")
    return found
