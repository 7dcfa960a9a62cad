"""From nodes to instructions, one function for each: what BuildKit accepts and how it refuses the rest."""

import re
from collections.abc import Callable
from dataclasses import replace

from . import heredoc
from .durations import parse_duration
from .flags import Flags, Kind, parse_flags
from .instructions import (
    Add,
    Arg,
    Cmd,
    Command,
    Copy,
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
from .location import LanguageError, blaming
from .mounts import parse_device, parse_mount_source
from .quoting import quote
from .suggestion import with_suggestion
from .tree import Node
from .whitespace import SPACE

_STAGE_NAME = re.compile(r"[a-z][a-z0-9-_.]*")
_ONBUILD = re.compile(r"[\t\n\f\r ]*ONBUILD[\t\n\f\r ]*", re.IGNORECASE)
_MILLISECOND = 1_000_000
_LARGEST_INT = (1 << 31) - 1
_NO_DESTINATION = (
    "{} requires at least two arguments, but only one was provided. Destination could not be determined"
)


def read_instruction(node: Node) -> Instruction:
    """Return what a node says; raises DockerfileError."""
    with blaming(node.origin.location, node.origin.text):
        read = _READERS.get(node.name)
        if read is None:
            message = f"unknown instruction: {node.keyword}"
            raise with_suggestion(message, node.keyword, map(str.upper, _READERS), ignore_case=True)
        return replace(read(node), origin=node.origin)


def _read_from(node: Node) -> From:
    words = node.words
    name = None
    if len(words) == 3 and words[1].lower() == "as":
        name = words[2].lower()
        if not _STAGE_NAME.fullmatch(name):
            raise LanguageError(
                f"invalid name for build stage: {quote(words[2])}, "
                "name can't start with a number or contain symbols",
                words[2],
            )
    elif len(words) != 1:
        raise LanguageError("FROM requires either one or three arguments")
    flags = parse_flags(node.flags, {"platform": Kind.TEXT})
    return From(words[0], name, flags.text("platform"))


def _read_arg(node: Node) -> Arg:
    # Flags of ARG are neither read nor refused.
    _need_some(node)
    pairs: list[tuple[str, str | None]] = []
    for word in node.words:
        name, equals, value = word.partition("=")
        if equals and not name:
            raise LanguageError("ARG names can not be blank", word)
        pairs.append((name, value if equals else None))
    return Arg(tuple(pairs))


def _read_env(node: Node) -> Env:
    return Env(*_read_pairs(node))


def _read_label(node: Node) -> Label:
    return Label(*_read_pairs(node))


def _read_pairs(node: Node) -> tuple[tuple[tuple[str, str], ...], bool]:
    _no_flags(node)
    _need_some(node)
    words = node.words
    if not all(words[::3]):
        raise LanguageError(f"{node.keyword.upper()} names can not be blank", "=")
    return tuple(zip(words[::3], words[1::3], strict=True)), words[2] == ""


def _read_copy(node: Node) -> Copy:
    if len(node.words) < 2:
        raise LanguageError(_NO_DESTINATION.format("COPY"))
    texts = dict.fromkeys(("chown", "from", "chmod"), Kind.TEXT)
    switches = dict.fromkeys(("link", "parents"), Kind.SWITCH)
    flags = parse_flags(node.flags, texts | switches | {"exclude": Kind.TEXTS})
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


def _read_add(node: Node) -> Add:
    if len(node.words) < 2:
        raise LanguageError(_NO_DESTINATION.format("ADD"))
    texts = dict.fromkeys(("chown", "chmod", "checksum"), Kind.TEXT)
    switches = dict.fromkeys(("link", "keep-git-dir", "unpack"), Kind.SWITCH)
    flags = parse_flags(node.flags, texts | switches | {"exclude": Kind.TEXTS})
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


def _read_run(node: Node) -> Run:
    texts = dict.fromkeys(("network", "security"), Kind.TEXT)
    flags = parse_flags(node.flags, texts | {"mount": Kind.TEXTS, "device": Kind.TEXTS})
    devices = tuple(map(parse_device, flags.values("device")))
    mounts = tuple(map(parse_mount_source, flags.values("mount")))
    network = flags.text("network", "default")
    if network not in ("default", "none", "host"):
        raise LanguageError(f"invalid network mode {quote(network)}", "--network")
    security = flags.text("security", "sandbox")
    if security not in ("sandbox", "insecure"):
        raise LanguageError(f"security {quote(security)} is not valid", "--security")
    return Run(_read_command(node), flags.values("mount"), mounts, network, security, devices)


def _read_cmd(node: Node) -> Cmd:
    _no_flags(node)
    return Cmd(_read_command(node))


def _read_entrypoint(node: Node) -> Entrypoint:
    _no_flags(node)
    return Entrypoint(_read_command(node))


def _read_command(node: Node) -> Command:
    heredocs = tuple(
        Heredoc(body.mark.name, body.content, body.mark.expand, body.mark.chomp) for body in node.heredocs
    )
    return Command(node.words, not node.arguments.json, heredocs)


def _read_shell(node: Node) -> Shell:
    _no_flags(node)
    _need_some(node)
    if not node.arguments.json:
        raise LanguageError(
            f"SHELL requires the arguments to be in JSON form: {node.origin.text}", node.words[0]
        )
    return Shell(node.words)


def _read_user(node: Node) -> User:
    _need_one(node)
    _no_flags(node)
    return User(node.words[0])


def _read_workdir(node: Node) -> Workdir:
    _need_one(node)
    _no_flags(node)
    return Workdir(node.words[0])


def _read_volume(node: Node) -> Volume:
    _need_some(node)
    _no_flags(node)
    paths = tuple(word.strip(SPACE) for word in node.words)
    if not all(paths):
        raise LanguageError("VOLUME specified can not be an empty string", '""')
    return Volume(paths)


def _read_expose(node: Node) -> Expose:
    _need_some(node)
    _no_flags(node)
    return Expose(tuple(sorted(node.words)))


def _read_stopsignal(node: Node) -> StopSignal:
    # Flags of STOPSIGNAL are neither read nor refused.
    _need_one(node)
    return StopSignal(node.words[0])


def _read_maintainer(node: Node) -> Maintainer:
    _need_one(node)
    _no_flags(node)
    return Maintainer(node.words[0])


def _read_onbuild(node: Node) -> Onbuild:
    _need_some(node)
    _no_flags(node)
    trigger = node.words[0].upper()
    if trigger == "ONBUILD":
        raise LanguageError("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed", node.words[0])
    if trigger in ("MAINTAINER", "FROM"):
        raise LanguageError(f"{trigger} isn't allowed as an ONBUILD trigger", node.words[0])
    expression = _ONBUILD.sub("", node.origin.text, count=1)
    for body in node.heredocs:
        expression += f"\n{body.content}{body.mark.name}"
    return Onbuild(expression)


def _read_healthcheck(node: Node) -> Healthcheck:
    _need_some(node)
    kind, *command = node.words
    if kind.upper() == "NONE":
        if command:
            raise LanguageError("HEALTHCHECK NONE takes no arguments", command[0])
        return Healthcheck(("NONE",))
    durations = ("interval", "timeout", "start-period", "start-interval")
    flags = parse_flags(node.flags, dict.fromkeys((*durations, "retries"), Kind.TEXT))
    if kind.upper() != "CMD":
        raise LanguageError(f"Unknown type {quote(kind.upper())} in HEALTHCHECK (try CMD)", kind)
    if not command:
        raise LanguageError("Missing command after HEALTHCHECK CMD")
    return Healthcheck(
        ("CMD" if node.arguments.json else "CMD-SHELL", *command),
        interval=_interval(flags, "interval"),
        timeout=_interval(flags, "timeout"),
        start_period=_interval(flags, "start-period"),
        start_interval=_interval(flags, "start-interval"),
        retries=_retries(flags.text("retries")),
    )


def _interval(flags: Flags, name: str) -> int:
    text = flags.text(name)
    duration = parse_duration(text) if text else 0
    if duration and duration < _MILLISECOND:
        raise LanguageError(f"Interval {quote(name)} cannot be less than 1ms", text)
    return duration


def _retries(text: str) -> int:
    if not text:
        return 0
    if not re.fullmatch("[+-]?[0-9]{1,20}", text):
        raise LanguageError(f"strconv.ParseInt: parsing {quote(text)}: invalid syntax", text)
    retries = int(text)
    if not -_LARGEST_INT - 1 <= retries <= _LARGEST_INT:
        raise LanguageError(f"strconv.ParseInt: parsing {quote(text)}: value out of range", text)
    if retries < 0:
        raise LanguageError(f"--retries cannot be negative ({retries})", text)
    return retries


def _no_flags(node: Node) -> None:
    parse_flags(node.flags, {})


def _need_some(node: Node) -> None:
    if not node.words:
        raise LanguageError(f"{node.keyword.upper()} requires at least one argument")


def _need_one(node: Node) -> None:
    if len(node.words) != 1:
        raise LanguageError(f"{node.keyword.upper()} requires exactly one argument")


_READERS: dict[str, Callable[[Node], Instruction]] = {
    "add": _read_add,
    "arg": _read_arg,
    "cmd": _read_cmd,
    "copy": _read_copy,
    "entrypoint": _read_entrypoint,
    "env": _read_env,
    "expose": _read_expose,
    "from": _read_from,
    "healthcheck": _read_healthcheck,
    "label": _read_label,
    "maintainer": _read_maintainer,
    "onbuild": _read_onbuild,
    "run": _read_run,
    "shell": _read_shell,
    "stopsignal": _read_stopsignal,
    "user": _read_user,
    "volume": _read_volume,
    "workdir": _read_workdir,
}
