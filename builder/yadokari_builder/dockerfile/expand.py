"""Where variables are replaced: which words of which instructions, and which are left to the shell.

RUN's command, CMD, ENTRYPOINT, SHELL, HEALTHCHECK, ONBUILD, MAINTAINER and --exclude are never touched; ARG
has its values from `arg_values`, FROM from `bases`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import singledispatch
from typing import TypeVar

from yadokari_builder.dockerfile.directives import DEFAULT_ESCAPE
from yadokari_builder.dockerfile.encoding import NO_UTF8
from yadokari_builder.dockerfile.expander import Quotes
from yadokari_builder.dockerfile.heredoc import is_mark
from yadokari_builder.dockerfile.instructions import (
    Add,
    Command,
    Copy,
    Env,
    Expose,
    Heredoc,
    Instruction,
    Label,
    Run,
    StopSignal,
    User,
    Volume,
    Workdir,
)
from yadokari_builder.dockerfile.location import LanguageError, blaming
from yadokari_builder.dockerfile.mounts import parse_mount
from yadokari_builder.dockerfile.words import Expansion, process

AnyInstruction = TypeVar("AnyInstruction", bound=Instruction)


@dataclass(slots=True)
class Variables:
    """An environment, and what was asked of it in vain.

    `undefined` are the names that it had not, in order, once for each word that uses them.
    """

    env: Mapping[str, str]
    escape: str = DEFAULT_ESCAPE
    undefined: list[str] = field(default_factory=list)

    def word(self, word: str) -> str:
        """Return a word expanded; raises LanguageError."""
        return self._note(process(word, self.env, self.escape)).text

    def words(self, word: str) -> tuple[str, ...]:
        """Return the words that a word becomes; raises LanguageError."""
        return self._note(process(word, self.env, self.escape)).words

    def content(self, content: str) -> str:
        """Return a file's content expanded: quotes mean nothing, the escape is always a backslash."""
        return self._note(process(content, self.env, DEFAULT_ESCAPE, quotes=Quotes.PLAIN)).text

    def _note(self, expansion: Expansion) -> Expansion:
        self.undefined += sorted(expansion.unmatched)
        return expansion


def expand(instruction: AnyInstruction, variables: Variables) -> AnyInstruction:
    """Return the instruction with its variables replaced; raises DockerfileError.

    `variables` are those before the instruction, for ENV too; afterwards they tell which names are undefined.
    """
    with blaming(instruction.location, instruction.original):
        expanded = _expand(instruction, variables)
    assert isinstance(expanded, type(instruction))
    return expanded


@singledispatch
def _expand(instruction: Instruction, _variables: Variables) -> Instruction:
    return instruction


@_expand.register(Env)
@_expand.register(Label)
def _(instruction: Env | Label, variables: Variables) -> Env | Label:
    pairs = tuple((variables.word(name), variables.word(value)) for name, value in instruction.pairs)
    return replace(instruction, pairs=pairs)


@_expand.register
def _(instruction: Copy, variables: Variables) -> Copy:
    return replace(
        instruction,
        chown=variables.word(instruction.chown),
        chmod=variables.word(instruction.chmod),
        sources=tuple(map(variables.word, instruction.sources)),
        destination=variables.word(instruction.destination),
        heredocs=_heredocs(instruction.heredocs, variables),
    )


@_expand.register
def _(instruction: Add, variables: Variables) -> Add:
    return replace(
        instruction,
        chown=variables.word(instruction.chown),
        chmod=variables.word(instruction.chmod),
        checksum=variables.word(instruction.checksum),
        sources=tuple(map(variables.word, instruction.sources)),
        destination=variables.word(instruction.destination),
        heredocs=_heredocs(instruction.heredocs, variables),
    )


def _heredocs(heredocs: tuple[Heredoc, ...], variables: Variables) -> tuple[Heredoc, ...]:
    return tuple(
        replace(heredoc, content=variables.content(heredoc.content)) if heredoc.expand else heredoc
        for heredoc in heredocs
    )


@_expand.register
def _(instruction: Run, variables: Variables) -> Run:
    _check_command(instruction.command)
    mounts = tuple(parse_mount(flag, variables.word) for flag in instruction.mount_flags)
    return replace(instruction, mounts=mounts)


def _check_command(command: Command) -> None:
    """Refuse what BuildKit has no way to hand on, though its parser takes it."""
    if not (command.words or command.shell):
        raise LanguageError("arguments are required", "[")
    texts = [*command.words, *(heredoc.content for heredoc in command.heredocs)]
    if is_mark(command.words[0] if command.words else "") and texts[-1].startswith("#!"):
        return  # a script is a file, and may hold any bytes
    if wrong := next(filter(None, map(NO_UTF8.search, texts)), None):
        raise LanguageError("the command holds bytes that are no UTF-8; save the file as UTF-8", wrong[0])


@_expand.register
def _(instruction: Expose, variables: Variables) -> Expose:
    ports = tuple(port for written in instruction.ports for port in variables.words(written))
    return replace(instruction, ports=ports)


@_expand.register
def _(instruction: Volume, variables: Variables) -> Volume:
    paths = tuple(map(variables.word, instruction.paths))
    if not all(paths):
        raise LanguageError("VOLUME specified can not be an empty string")
    return replace(instruction, paths=paths)


@_expand.register
def _(instruction: User, variables: Variables) -> User:
    return replace(instruction, user=variables.word(instruction.user))


@_expand.register
def _(instruction: Workdir, variables: Variables) -> Workdir:
    return replace(instruction, path=variables.word(instruction.path))


@_expand.register
def _(instruction: StopSignal, variables: Variables) -> StopSignal:
    return replace(instruction, signal=variables.word(instruction.signal))
