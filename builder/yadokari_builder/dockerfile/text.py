"""A Dockerfile's text as it was read, and where from."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DockerfileText:
    """A Dockerfile's content, and the name that errors show."""

    content: bytes
    name: str
    ignore: str
    ignore_name: str
