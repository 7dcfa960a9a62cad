"""References: names of images, as github.com/distribution/reference reads them.

    reference  := name [ ":" tag ] [ "@" digest ]
    name       := [ domain "/" ] component *( "/" component )
    domain     := host [ ":" port ]
    component  := alphanumeric *( separator alphanumeric )
    separator  := "." | "_" | "__" | 1*"-"

A familiar name is completed: `debian` is `docker.io/library/debian:latest`.
"""

import re
from dataclasses import dataclass

from yadokari_builder.errors import ImageInvalidError, UsageError
from yadokari_builder.oci.digest import Digest

DOCKER_HUB = "docker.io"

_LABEL = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_DOMAIN = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?")
_COMPONENT = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_PATH = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_IDENTIFIER = re.compile(r"[a-f0-9]{64}")
_MAX_PATH = 255


class InvalidReferenceError(UsageError):
    """A text is not the name of an image."""


@dataclass(frozen=True, slots=True)
class Reference:
    """The name of an image; `registry` is a domain with an optional port.

    At least one of tag and digest is set; where both are, the digest counts.
    """

    registry: str
    repository: str
    tag: str | None = None
    digest: Digest | None = None

    def __post_init__(self) -> None:
        """Refuse what the grammar does not allow; a name alone gets the tag `latest`."""
        if not _DOMAIN.fullmatch(self.registry):
            self._fail(f"the registry {self.registry!r} is not a host with an optional port")
        if self.repository != self.repository.lower():
            self._fail(f"the repository name {self.repository!r} must be lower case")
        if len(self.repository) > _MAX_PATH:
            self._fail(f"the repository name is longer than {_MAX_PATH} characters")
        if not _PATH.fullmatch(self.repository):
            self._fail(
                f"the repository name {self.repository!r} has characters or separators it may not have"
            )
        if self.tag is not None and not _TAG.fullmatch(self.tag):
            self._fail(f"the tag {self.tag!r} is not 1 to 128 letters, digits, '_', '.' and '-'")
        if self.tag is None and self.digest is None:
            object.__setattr__(self, "tag", "latest")

    @classmethod
    def parse(cls, text: str) -> "Reference":
        """Read a reference, familiar or complete; raises `InvalidReferenceError` with what is wrong."""
        if not text:
            raise InvalidReferenceError("image reference is empty")
        if _IDENTIFIER.fullmatch(text):
            raise InvalidReferenceError(
                f"image reference {text!r}: 64 hex digits are an identifier, not a name"
            )
        rest, at, digest = text.partition("@")
        registry, rest = _split_registry(rest)
        repository, colon, tag = rest.partition(":")
        try:
            return cls(registry, repository, tag if colon else None, Digest.parse(digest) if at else None)
        except ImageInvalidError as error:
            raise InvalidReferenceError(f"image reference {text[:300]!r}: {error}") from None

    @property
    def name(self) -> str:
        """Registry and repository."""
        return f"{self.registry}/{self.repository}"

    @property
    def familiar(self) -> str:
        """The short form that people write: `debian:latest`."""
        for short in (self.repository.removeprefix("library/"), self.repository):
            if _split_registry(short) == (self.registry, self.repository):
                return short + self._suffix
        return str(self)

    @property
    def _suffix(self) -> str:
        return (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")

    def __str__(self) -> str:
        return self.name + self._suffix

    def _fail(self, why: str) -> None:
        raise InvalidReferenceError(f"image reference {self.name + self._suffix:.300}: {why}")


def _split_registry(name: str) -> tuple[str, str]:
    """Tell the registry from the repository: it holds "." or ":" or a capital, or is `localhost`."""
    first, slash, rest = name.partition("/")
    if not slash or not (first == "localhost" or re.search("[.:]", first) or first != first.lower()):
        first, rest = DOCKER_HUB, name
    elif first == "index.docker.io":
        first = DOCKER_HUB
    if first == DOCKER_HUB and "/" not in rest:
        rest = f"library/{rest}"
    return first, rest
