"""References and repositories: names of images (grammar: `yadokari_contract.references`).

A familiar name is completed: `debian` is `docker.io/library/debian:latest`.
"""

import re
from dataclasses import dataclass

from yadokari_builder.errors import ImageInvalidError, UsageError
from yadokari_builder.oci.digest import Digest
from yadokari_contract import references as grammar

_DOMAIN = re.compile(grammar.DOMAIN)
_PATH = re.compile(grammar.PATH)
_TAG = re.compile(grammar.TAG)
_IDENTIFIER = re.compile(r"[a-f0-9]{64}")
_MAX_PATH = 255
_MAX_PORT = 65535
_MAX_SHOWN = 300


class InvalidReferenceError(UsageError):
    """A text is not the name of an image."""


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository of a registry; `registry` is a domain with an optional port, `name` the path in it.

    What the grammar does not allow raises `InvalidReferenceError`.
    """

    registry: str
    name: str

    def __post_init__(self) -> None:
        if self.registry in ("http:", "https:"):
            self._fail(f"the registry's name stands without {self.registry}// before it")
        if not _DOMAIN.fullmatch(self.registry):
            self._fail(f"the registry {self.registry!r} is not a host with an optional port")
        port = self.registry.rpartition(":")[2]
        if port.isdigit() and port != self.registry and int(port[-20:]) > _MAX_PORT:
            self._fail(f"the port {port[:20]} of the registry is larger than {_MAX_PORT}")
        if self.name != self.name.lower():
            self._fail(f"the repository name {self.name!r} must be lower case")
        if len(self.name) > _MAX_PATH:
            self._fail(f"the repository name is longer than {_MAX_PATH} characters")
        if not _PATH.fullmatch(self.name):
            self._fail(f"the repository name {self.name!r} has characters or separators it may not have")

    @property
    def familiar(self) -> str:
        """The short form that people write: `debian`."""
        for short in (self.name.removeprefix("library/"), self.name):
            if grammar.split_registry(short) == (self.registry, self.name):
                return short
        return str(self)

    @property
    def objection(self) -> str:
        """Why nobody can push to a repository of this name, as far as names tell; "" for no reason."""
        namespace, _, name = self.name.partition("/")
        if self.registry != grammar.DOCKER_HUB:
            return ""
        if "/" in name:
            return "a repository of Docker Hub is NAMESPACE/NAME, and there is none below it"
        return "docker.io/library is Docker's own" if namespace == "library" else ""

    def __str__(self) -> str:
        return f"{self.registry}/{self.name}"

    def _fail(self, why: str) -> None:
        raise InvalidReferenceError(f"image reference {str(self)[:_MAX_SHOWN]}: {why}")


@dataclass(frozen=True, slots=True)
class Reference:
    """The name of an image.

    At least one of tag and digest is set; where both are, the digest counts.
    """

    repository: Repository
    tag: str | None = None
    digest: Digest | None = None

    def __post_init__(self) -> None:
        """Refuse what the grammar does not allow; a name alone gets the tag `latest`."""
        if self.tag is not None and not _TAG.fullmatch(self.tag):
            why = f"the tag {self.tag!r} is not 1 to 128 letters, digits, '_', '.' and '-'"
            raise InvalidReferenceError(f"image reference {str(self)[:_MAX_SHOWN]}: {why}")
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
        registry, rest = grammar.split_registry(rest)
        name, colon, tag = rest.partition(":")
        try:
            repository = Repository(registry, name)
            return cls(repository, tag if colon else None, Digest.parse(digest) if at else None)
        except ImageInvalidError as error:
            raise InvalidReferenceError(f"image reference {text[:_MAX_SHOWN]!r}: {error}") from None

    @property
    def registry(self) -> str:
        """The registry that the image is in."""
        return self.repository.registry

    @property
    def familiar(self) -> str:
        """The short form that people write: `debian:latest`."""
        return self.repository.familiar + self._suffix

    @property
    def _suffix(self) -> str:
        return (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")

    def __str__(self) -> str:
        return f"{self.repository}{self._suffix}"
