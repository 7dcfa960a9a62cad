"""A Dockerfile as a whole: from its text to stages of instructions."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from yadokari_builder.dockerfile.directives import Directive
from yadokari_builder.dockerfile.encoding import blaming_encoding
from yadokari_builder.dockerfile.instructions import Arg, From, Instruction, Maintainer, Onbuild
from yadokari_builder.dockerfile.location import LanguageError, Location, Origin, error_at
from yadokari_builder.dockerfile.reader import read_instruction
from yadokari_builder.dockerfile.tree import Tree, read_tree
from yadokari_builder.errors import DockerfileError


@dataclass(frozen=True, slots=True)
class Stage:
    """A FROM and the instructions after it; `index` counts from 0."""

    index: int
    base: From
    instructions: tuple[Instruction, ...]

    @property
    def name(self) -> str | None:
        """The name after AS, in lower case."""
        return self.base.name

    @property
    def location(self) -> Location:
        """Where its FROM stands."""
        return self.base.location


@dataclass(frozen=True, slots=True)
class Dockerfile:
    """A Dockerfile; `meta_args` are the ARGs before the first FROM, `escape` the escape character."""

    directives: tuple[Directive, ...]
    meta_args: tuple[Arg, ...]
    stages: tuple[Stage, ...]
    escape: str


def decode(source: str | bytes) -> str:
    """Return a Dockerfile's text; bytes that are no UTF-8 survive (surrogateescape)."""
    return source if isinstance(source, str) else source.decode(errors="surrogateescape")


def read_instructions(tree: Tree) -> Iterator[Instruction]:
    """Yield the instructions of a tree; the first wrong one raises DockerfileError when it is reached."""
    return map(read_instruction, tree.nodes)


def parse(
    source: str | bytes,
    *,
    file: str = "Dockerfile",
    reading: Callable[[Tree], Iterator[Instruction]] = read_instructions,
) -> Dockerfile:
    """Read a Dockerfile; raises DockerfileError.

    A `syntax` directive is taken for granted: whatever frontend it names, the language is this one. Where
    the text is wrong and no UTF-8 either, the error says so. `reading` yields the instructions of the tree,
    one by one, to whoever wants to look at them meanwhile.
    """
    text = decode(source)
    try:
        tree = read_tree(text, file)
        return _assembled(tree, reading(tree), file)
    except DockerfileError as error:
        error.message = blaming_encoding(error.message, text)
        raise


def _assembled(tree: Tree, instructions: Iterable[Instruction], file: str) -> Dockerfile:
    meta_args: list[Arg] = []
    bases: list[From] = []
    bodies: list[list[Instruction]] = []
    for instruction in instructions:
        match instruction:
            case From():
                bases.append(instruction)
                bodies.append([])
            case Arg() if not bases:
                meta_args.append(instruction)
            case _ if not bases:
                raise _error("no build stage in current context", instruction.origin)
            case _:
                bodies[-1].append(instruction)
    if not bases:
        raise _error("dockerfile contains no stages to build", Origin(Location(file)))
    stages = tuple(
        Stage(index, base, tuple(body)) for index, (base, body) in enumerate(zip(bases, bodies, strict=True))
    )
    return Dockerfile(tree.directives, tuple(meta_args), stages, tree.escape)


def parse_onbuild(expressions: Sequence[str], location: Location) -> tuple[Instruction, ...]:
    """Read the ONBUILD triggers of a base image; `location` is that of the FROM that runs them.

    Raises DockerfileError for a trigger that is not one single instruction.
    """
    return tuple(_parse_trigger(expression, location) for expression in expressions)


def _parse_trigger(expression: str, location: Location) -> Instruction:
    origin = Origin(location, expression.partition("\n")[0])
    try:
        nodes = read_tree(expression).nodes
    except DockerfileError as error:
        raise _error(error.message, origin) from None
    if len(nodes) != 1:
        raise _error("onbuild trigger should be a single expression", origin)
    node = replace(nodes[0], origin=replace(nodes[0].origin, location=location, lines=()))
    instruction = read_instruction(node)
    if isinstance(instruction, From | Onbuild | Maintainer):
        raise _error(f"{node.keyword.upper()} isn't allowed as an ONBUILD trigger", origin)
    return instruction


def _error(message: str, origin: Origin) -> DockerfileError:
    return error_at(LanguageError(message), origin.location, origin.text)
