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


@dataclass(frozen=True, slots=True)
class Node:
    """One instruction; `trigger` is the instruction that an ONBUILD holds."""

    keyword: str
    flags: tuple[str, ...]
    arguments: Arguments
    origin: Origin
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
        if bodies:
            location = replace(line.location, end=reader.number)
            node = replace(node, heredocs=bodies, origin=replace(node.origin, location=location))
        yield node


def _parse_line(line: LogicalLine, text: str, escape: str) -> Node:
    """Parse `text`: a logical line, or the instruction within an ONBUILD on it."""
    keyword, *rest = split_gaps(text.strip(SPACE), 1)
    flags, arguments = split_flags(rest[0], escape) if rest else ((), "")
    arguments = arguments.strip(SPACE)
    origin = Origin(line.location, text.strip(SPACE), keyword, line.comments)
    name = keyword.lower()
    if name == "onbuild":
        trigger = _parse_line(line, arguments, escape) if arguments else None
        return Node(keyword, flags, Arguments(), origin, line.has_blank, (), trigger)
    # What is no instruction has no arguments either; its name is refused later.
    split = SPLITTERS[name](arguments, escape) if name in SPLITTERS else Arguments(("",))
    return Node(keyword, flags, split, origin, line.has_blank)


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
