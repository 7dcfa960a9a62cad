"""Instructions that set something of the image. All raise LanguageError."""

from yadokari_builder.dockerfile.instructions import (
    Env,
    Expose,
    Label,
    Maintainer,
    StopSignal,
    User,
    Volume,
    Workdir,
)
from yadokari_builder.dockerfile.location import LanguageError
from yadokari_builder.dockerfile.reading.needs import need_one, need_some, no_flags
from yadokari_builder.dockerfile.tree import Node
from yadokari_builder.dockerfile.whitespace import SPACE


def read_env(node: Node) -> Env:
    """Read ENV."""
    return Env(*_read_pairs(node))


def read_label(node: Node) -> Label:
    """Read LABEL."""
    return Label(*_read_pairs(node))


def _read_pairs(node: Node) -> tuple[tuple[tuple[str, str], ...], bool]:
    no_flags(node)
    need_some(node)
    words = node.words
    if not all(words[::3]):
        raise LanguageError(f"{node.keyword.upper()} names can not be blank", "=")
    return tuple(zip(words[::3], words[1::3], strict=True)), words[2] == ""


def read_user(node: Node) -> User:
    """Read USER."""
    need_one(node)
    no_flags(node)
    return User(node.words[0])


def read_workdir(node: Node) -> Workdir:
    """Read WORKDIR."""
    need_one(node)
    no_flags(node)
    return Workdir(node.words[0])


def read_volume(node: Node) -> Volume:
    """Read VOLUME."""
    need_some(node)
    no_flags(node)
    paths = tuple(word.strip(SPACE) for word in node.words)
    if not all(paths):
        raise LanguageError("VOLUME specified can not be an empty string", '""')
    return Volume(paths)


def read_expose(node: Node) -> Expose:
    """Read EXPOSE."""
    need_some(node)
    no_flags(node)
    return Expose(tuple(sorted(node.words)))


def read_stopsignal(node: Node) -> StopSignal:
    """Read STOPSIGNAL; its flags are neither read nor refused."""
    need_one(node)
    return StopSignal(node.words[0])


def read_maintainer(node: Node) -> Maintainer:
    """Read MAINTAINER."""
    need_one(node)
    no_flags(node)
    return Maintainer(node.words[0])
