"""Instructions written as text, for the parser to read again; the escape character is a backslash."""

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
from yadokari_builder.dockerfile.whitespace import SPACE


@singledispatch
def written(instruction: Instruction) -> str:
    """Return the text of an instruction, with its heredocs."""
    raise NotImplementedError(type(instruction).__name__)


@written.register
def _(instruction: From) -> str:
    name = f" AS {instruction.name}" if instruction.name else ""
    return _join("FROM", [_flag("platform", instruction.platform)], instruction.image + name)


@written.register
def _(instruction: Arg) -> str:
    pairs = (name if value is None else f"{name}={value}" for name, value in instruction.pairs)
    return _join("ARG", [], " ".join(pairs))


@written.register(Env)
@written.register(Label)
def _(instruction: Env | Label) -> str:
    separator = " " if instruction.legacy else "="
    pairs = (f"{name}{separator}{value}" for name, value in instruction.pairs)
    return _join(type(instruction).__name__.upper(), [], " ".join(pairs))


@written.register
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


@written.register
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


@written.register
def _(instruction: Run) -> str:
    flags = [
        *(_flag("mount", mount) for mount in instruction.mount_flags),
        _flag("network", instruction.network) if instruction.network != "default" else "",
        _flag("security", instruction.security) if instruction.security != "sandbox" else "",
        *(_flag("device", _device(device)) for device in instruction.devices),
    ]
    return _join("RUN", flags, _command(instruction.command)) + _bodies(instruction.command.heredocs)


@written.register(Cmd)
@written.register(Entrypoint)
def _(instruction: Cmd | Entrypoint) -> str:
    return _join(type(instruction).__name__.upper(), [], _command(instruction.command))


@written.register
def _(instruction: Shell) -> str:
    return _join("SHELL", [], _json(instruction.words))


@written.register
def _(instruction: User) -> str:
    return _join("USER", [], instruction.user)


@written.register
def _(instruction: Workdir) -> str:
    return _join("WORKDIR", [], instruction.path)


@written.register
def _(instruction: Volume) -> str:
    return _join("VOLUME", [], _list(instruction.paths))


@written.register
def _(instruction: Expose) -> str:
    return _join("EXPOSE", [], " ".join(instruction.ports))


@written.register
def _(instruction: StopSignal) -> str:
    return _join("STOPSIGNAL", [], instruction.signal)


@written.register
def _(instruction: Maintainer) -> str:
    return _join("MAINTAINER", [], instruction.name)


@written.register
def _(instruction: Onbuild) -> str:
    return f"ONBUILD {instruction.expression}"


@written.register
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
