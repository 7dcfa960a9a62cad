"""COPY and ADD. Both raise LanguageError."""

from yadokari_builder.dockerfile import heredoc
from yadokari_builder.dockerfile.flags import KNOWN, parse_flags
from yadokari_builder.dockerfile.instructions import Add, Copy, Heredoc
from yadokari_builder.dockerfile.location import LanguageError
from yadokari_builder.dockerfile.tree import Node

_NO_DESTINATION = (
    "{} requires at least two arguments, but only one was provided. Destination could not be determined"
)


def read_copy(node: Node) -> Copy:
    """Read COPY."""
    if len(node.words) < 2:
        raise LanguageError(_NO_DESTINATION.format("COPY"))
    flags = parse_flags(node.flags, KNOWN["copy"])
    sources, heredocs = _read_sources(node)
    return Copy(
        sources,
        node.words[-1],
        heredocs,
        from_=flags.text("from"),
        chown=flags.text("chown"),
        chmod=flags.text("chmod"),
        link=flags.switch("link"),
        parents=flags.switch("parents"),
        exclude=flags.values("exclude"),
    )


def read_add(node: Node) -> Add:
    """Read ADD."""
    if len(node.words) < 2:
        raise LanguageError(_NO_DESTINATION.format("ADD"))
    flags = parse_flags(node.flags, KNOWN["add"])
    sources, heredocs = _read_sources(node)
    return Add(
        sources,
        node.words[-1],
        heredocs,
        chown=flags.text("chown"),
        chmod=flags.text("chmod"),
        link=flags.switch("link"),
        exclude=flags.values("exclude"),
        checksum=flags.text("checksum"),
        keep_git_dir=flags.switches.get("keep-git-dir"),
        unpack=flags.switches.get("unpack"),
    )


def _read_sources(node: Node) -> tuple[tuple[str, ...], tuple[Heredoc, ...]]:
    *sources, destination = node.words
    if heredoc.is_mark(destination):
        raise LanguageError(f"{node.keyword.upper()} cannot accept a heredoc as a destination", destination)
    contents = {body.mark.name: body.content for body in node.heredocs}
    heredocs = []
    for source in filter(heredoc.is_mark, sources):
        mark = heredoc.parse_mark(source)
        assert mark is not None
        content = contents.get(mark.name, "")
        heredocs.append(Heredoc(mark.name, heredoc.chomp(content) if mark.chomp else content, mark.expand))
    return tuple(source for source in sources if not heredoc.is_mark(source)), tuple(heredocs)
