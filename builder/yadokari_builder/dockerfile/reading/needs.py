"""What instructions have in common: they refuse flags, or ask for arguments. All raise LanguageError."""

from yadokari_builder.dockerfile.flags import parse_flags
from yadokari_builder.dockerfile.location import LanguageError
from yadokari_builder.dockerfile.tree import Node


def no_flags(node: Node) -> None:
    """Refuse every flag."""
    parse_flags(node.flags, {})


def need_some(node: Node) -> None:
    """Refuse an instruction without arguments."""
    if not node.words:
        raise LanguageError(f"{node.keyword.upper()} requires at least one argument")


def need_one(node: Node) -> None:
    """Refuse any other number of arguments than one."""
    if len(node.words) != 1:
        raise LanguageError(f"{node.keyword.upper()} requires exactly one argument")
