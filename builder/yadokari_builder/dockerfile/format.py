"""Instructions as text: what the parser reads as the same instruction again."""

import json
import re
from collections.abc import Iterable
from functools import singledispatch

from yadokari_builder.dockerfile.durations import format_duration
from yadokari_builder.dockerfile.instructions import (
    Add,
    Arg,
    Cmd,
    Command,
    Copy,
    Device,
    Entrypoint,
    Env,
    Expose,
    From,
    Healthcheck,
    Heredoc,
    Instruction,
    Label,
    Maintainer,
    Onbuild,
    Run,
    Shell,
    StopSignal,
    User,
    Volume,
    Workdir,
)
from yadokari_builder.dockerfile.parser import read_instructions
from yadokari_builder.dockerfile.tree import read_tree
from yadokari_builder.dockerfile.whitespace import SPACE
from yadokari_builder.errors import DockerfileError


def format_instruction(instruction: Instruction) -> str:
    """Return the text of an instruction, with its heredocs, as if the escape character were a backslash.

    Raises ValueError for one that no text says, such as a WORKDIR with a line end in it.
    """
    text = _format(instruction)
    try:
        again = list(read_instructions(read_tree(text)))
    except DockerfileError:
        again = []
    if again != [instruction]:
        raise ValueError(f"no Dockerfile can say {instruction}")
    return text


@singledispatch
def _format(instruction: Instruction) -> str:
    raise NotImplementedError(type(instruction).__name__)


@_format.register
def _(instruction: From) -> str:
    name = f" AS {instruction.name}" if instruction.name else ""
    return _join("FROM", [_flag("platform", instruction.platform)], instruction.image + name)


@_format.register
def _(instruction: Arg) -> str:
    pairs = (name if value is None else f"{name}={value}" for name, value in instruction.pairs)
    return _join("ARG", [], " ".join(pairs))


@_format.register(Env)
@_format.register(Label)
def _(instruction: Env | Label) -> str:
    separator = " " if instruction.legacy else "="
    pairs = (f"{name}{separator}{value}" for name, value in instruction.pairs)
    return _join(type(instruction).__name__.upper(), [], " ".join(pairs))


@_format.register
def _(instruction: Copy) -> str:
    flags = [
        _flag("from", instruction.from_),
        _flag("chown", instruction.chown),
        _flag("chmod", instruction.chmod),
        "--link" if instruction.link else "",
        "--parents" if instruction.parents else "",
        *(_flag("exclude", pattern) for pattern in instruction.exclude),
    ]
    return _with_sources("COPY", flags, instruction)


@_format.register
def _(instruction: Add) -> str:
    flags = [
        _flag("chown", instruction.chown),
        _flag("chmod", instruction.chmod),
        "--link" if instruction.link else "",
        _flag("checksum", instruction.checksum),
        _switch("keep-git-dir", instruction.keep_git_dir),
        _switch("unpack", instruction.unpack),
        *(_flag("exclude", pattern) for pattern in instruction.exclude),
    ]
    return _with_sources("ADD", flags, instruction)


@_format.register
def _(instruction: Run) -> str:
    flags = [
        *(_flag("mount", mount) for mount in instruction.mount_flags),
        _flag("network", instruction.network) if instruction.network != "default" else "",
        _flag("security", instruction.security) if instruction.security != "sandbox" else "",
        *(_flag("device", _device(device)) for device in instruction.devices),
    ]
    return _join("RUN", flags, _command(instruction.command)) + _bodies(instruction.command.heredocs)


@_format.register(Cmd)
@_format.register(Entrypoint)
def _(instruction: Cmd | Entrypoint) -> str:
    return _join(type(instruction).__name__.upper(), [], _command(instruction.command))


@_format.register
def _(instruction: Shell) -> str:
    return _join("SHELL", [], _json(instruction.words))


@_format.register
def _(instruction: User) -> str:
    return _join("USER", [], instruction.user)


@_format.register
def _(instruction: Workdir) -> str:
    return _join("WORKDIR", [], instruction.path)


@_format.register
def _(instruction: Volume) -> str:
    return _join("VOLUME", [], _list(instruction.paths))


@_format.register
def _(instruction: Expose) -> str:
    return _join("EXPOSE", [], " ".join(instruction.ports))


@_format.register
def _(instruction: StopSignal) -> str:
    return _join("STOPSIGNAL", [], instruction.signal)


@_format.register
def _(instruction: Maintainer) -> str:
    return _join("MAINTAINER", [], instruction.name)


@_format.register
def _(instruction: Onbuild) -> str:
    return f"ONBUILD {instruction.expression}"


@_format.register
def _(instruction: Healthcheck) -> str:
    durations = {
        "interval": instruction.interval,
        "timeout": instruction.timeout,
        "start-period": instruction.start_period,
        "start-interval": instruction.start_interval,
    }
    flags = [_flag(name, format_duration(duration)) for name, duration in durations.items() if duration]
    flags.append(_flag("retries", str(instruction.retries or "")))
    kind, *words = instruction.test
    if kind == "NONE":
        return _join("HEALTHCHECK", flags, kind)
    return _join("HEALTHCHECK", flags, f"CMD {_json(words) if kind == 'CMD' else words[0]}")


def _join(keyword: str, flags: Iterable[str], arguments: str) -> str:
    end = "--" if arguments.startswith("--") else ""
    return " ".join(filter(None, (keyword, *flags, end, arguments)))


def _flag(name: str, value: str) -> str:
    escaped = re.sub(rf"[\\'\"{SPACE}]", r"\\\g<0>", value)
    return f"--{name}={escaped}" if value else ""


def _switch(name: str, value: bool | None) -> str:
    return "" if value is None else f"--{name}={str(value).lower()}"


def _device(device: Device) -> str:
    name = '"' + device.name.replace('"', '""') + '"' if re.search('[",]', device.name) else device.name
    return name + (",required" if device.required else "")


def _command(command: Command) -> str:
    return " ".join(command.words) if command.shell else _json(command.words)


def _with_sources(keyword: str, flags: Iterable[str], instruction: Copy | Add) -> str:
    marks = (
        f"<<{heredoc.name}" if heredoc.expand else f"<<'{heredoc.name}'" for heredoc in instruction.heredocs
    )
    words = (*instruction.sources, *marks, instruction.destination)
    return _join(keyword, flags, _list(words)) + _bodies(instruction.heredocs)


def _bodies(heredocs: Iterable[Heredoc]) -> str:
    return "".join(f"\n{heredoc.content}{heredoc.name}" for heredoc in heredocs)


def _list(words: Iterable[str]) -> str:
    words = tuple(words)
    text = " ".join(words)
    if tuple(re.split(r"[\t\v\f\r ]+", text)) == words and text.strip(SPACE) == text:
        is_plain = not re.search(r"[\n\0]", text) and not text.startswith("[") and not text.endswith("\\")
        if is_plain:
            return text
    return _json(words)


def _json(words: Iterable[str]) -> str:
    return json.dumps(list(words), ensure_ascii=False)
