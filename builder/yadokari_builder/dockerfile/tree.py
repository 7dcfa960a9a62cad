"""The tree: a Dockerfile's instructions with their flags and arguments split, not yet understood."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from yadokari_builder.dockerfile import heredoc
from yadokari_builder.dockerfile.arguments import SPLITTERS, Arguments
from yadokari_builder.dockerfile.directives import Directive
from yadokari_builder.dockerfile.flags import split_flags
from yadokari_builder.dockerfile.lines import LineReader, LogicalLine
from yadokari_builder.dockerfile.location import LanguageError, Location, Origin, blaming, error_at
from yadokari_builder.dockerfile.whitespace import SPACE, split_gaps

_WITH_HEREDOCS = ("add", "copy", "run")
_WITHOUT_NUL = ("add", "arg", "copy", "env", "from", "run", "shell", "workdir")
"""Whose words become paths, variables or arguments of a program, none of which can hold a NUL."""


@dataclass(frozen=True, slots=True)
class Node:
    """One instruction; `trigger` is the instruction that an ONBUILD holds.

    `source` is its text with the blanks at its end, `last_line` the line that this ends on, before heredocs.
    """

    keyword: str
    flags: tuple[str, ...]
    arguments: Arguments
    origin: Origin
    source: str = ""
    last_line: int = 0
    has_blank_line: bool = False
    heredocs: tuple[heredoc.Body, ...] = ()
    trigger: "Node | None" = None

    @property
    def name(self) -> str:
        """The keyword in lower case."""
        return self.keyword.lower()

    @property
    def words(self) -> tuple[str, ...]:
        """The arguments, for ONBUILD the keyword and the arguments of what it holds."""
        if self.trigger:
            return (self.trigger.keyword, *self.trigger.words)
        return self.arguments.words


@dataclass(frozen=True, slots=True)
class Tree:
    """A Dockerfile's instructions in order."""

    nodes: tuple[Node, ...]
    directives: tuple[Directive, ...]
    escape: str


def read_tree(text: str, file: str = "Dockerfile") -> Tree:
    """Read a Dockerfile's text; raises DockerfileError."""
    reader = LineReader(text, file)
    nodes = tuple(_read_nodes(reader))
    if not nodes:
        message = "file with no instructions" if text else "the Dockerfile cannot be empty"
        raise error_at(LanguageError(message), Location(file), "")
    return Tree(nodes, tuple(reader.directives.directives.values()), reader.escape)


def _read_nodes(reader: LineReader) -> Iterator[Node]:
    for line in reader.logical_lines():
        with blaming(line.location, line.text.strip(SPACE)):
            node = _parse_line(line, line.text, reader.escape)
            bodies = _read_heredocs(node, line, reader)
            _refuse_nul(node, bodies)
        if bodies:
            location = replace(line.location, end=reader.number)
            origin = replace(node.origin, location=location, lines=reader.lines(location))
            node = replace(node, heredocs=bodies, origin=origin)
        yield node


def _parse_line(line: LogicalLine, text: str, escape: str, *, is_trigger: bool = False) -> Node:
    """Parse `text`: a logical line, or the instruction within an ONBUILD on it."""
    keyword, *rest = split_gaps(text.strip(SPACE), 1)
    flags, arguments = split_flags(rest[0], escape) if rest else ((), "")
    arguments = arguments.strip(SPACE)
    origin = Origin(line.location, text.strip(SPACE), keyword, line.comments, line.lines)
    node = Node(keyword, flags, Arguments(), origin, text, line.location.end, line.has_blank)
    if node.name == "onbuild":
        # An ONBUILD within an ONBUILD is refused later, whatever it holds in turn.
        holds = arguments and not is_trigger
        return replace(node, trigger=_parse_line(line, arguments, escape, is_trigger=True) if holds else None)
    # What is no instruction has no arguments either; its name is refused later.
    split = SPLITTERS.get(node.name)
    return replace(node, arguments=split(arguments, escape) if split else Arguments(("",)))


def _refuse_nul(node: Node, bodies: tuple[heredoc.Body, ...]) -> None:
    if node.name not in _WITHOUT_NUL:
        return
    texts = [*node.flags, *node.words]
    if node.name == "run":
        texts += (body.content for body in bodies)
    if any("\0" in text for text in texts):
        raise LanguageError(f"{node.keyword.upper()} cannot hold a NUL character", "\0")


def _read_heredocs(node: Node, line: LogicalLine, reader: LineReader) -> tuple[heredoc.Body, ...]:
    holder = node.trigger or node
    if holder.name not in _WITH_HEREDOCS or holder.arguments.json or "<<" not in line.text:
        return ()
    bodies = []
    for mark in heredoc.marks_of(line.text):
        content = reader.heredoc(mark.name, chomp=mark.chomp)
        if content is None:
            raise LanguageError("unterminated heredoc", "<<")
        bodies.append(heredoc.Body(mark, content))
    return tuple(bodies)
