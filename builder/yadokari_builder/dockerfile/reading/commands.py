"""Instructions with command lines: RUN, CMD, ENTRYPOINT, SHELL, HEALTHCHECK. All raise LanguageError."""

import re

from yadokari_builder.dockerfile.durations import parse_duration
from yadokari_builder.dockerfile.flags import KNOWN, Flags, parse_flags
from yadokari_builder.dockerfile.instructions import (
    Cmd,
    Command,
    Entrypoint,
    Healthcheck,
    Heredoc,
    Run,
    Shell,
)
from yadokari_builder.dockerfile.location import LanguageError
from yadokari_builder.dockerfile.mounts import parse_device, parse_mount_source
from yadokari_builder.dockerfile.quoting import quote
from yadokari_builder.dockerfile.reading.needs import need_some, no_flags
from yadokari_builder.dockerfile.tree import Node

_MILLISECOND = 1_000_000
_LARGEST_INT = (1 << 31) - 1


def read_run(node: Node) -> Run:
    """Read RUN."""
    flags = parse_flags(node.flags, KNOWN["run"])
    devices = tuple(map(parse_device, flags.values("device")))
    mounts = tuple(map(parse_mount_source, flags.values("mount")))
    network = flags.text("network", "default")
    if network not in ("default", "none", "host"):
        raise LanguageError(f"invalid network mode {quote(network)}", "--network")
    security = flags.text("security", "sandbox")
    if security not in ("sandbox", "insecure"):
        raise LanguageError(f"security {quote(security)} is not valid", "--security")
    return Run(_read_command(node), flags.values("mount"), mounts, network, security, devices)


def read_cmd(node: Node) -> Cmd:
    """Read CMD."""
    no_flags(node)
    return Cmd(_read_command(node))


def read_entrypoint(node: Node) -> Entrypoint:
    """Read ENTRYPOINT."""
    no_flags(node)
    return Entrypoint(_read_command(node))


def _read_command(node: Node) -> Command:
    heredocs = tuple(
        Heredoc(body.mark.name, body.content, body.mark.expand, body.mark.chomp) for body in node.heredocs
    )
    return Command(node.words, not node.arguments.json, heredocs)


def read_shell(node: Node) -> Shell:
    """Read SHELL."""
    no_flags(node)
    need_some(node)
    if not node.arguments.json:
        raise LanguageError("SHELL requires the arguments to be in JSON form", node.words[0])
    return Shell(node.words)


def read_healthcheck(node: Node) -> Healthcheck:
    """Read HEALTHCHECK."""
    need_some(node)
    kind, *command = node.words
    if kind.upper() == "NONE":
        if command:
            raise LanguageError("HEALTHCHECK NONE takes no arguments", command[0])
        return Healthcheck(("NONE",))
    flags = parse_flags(node.flags, KNOWN["healthcheck"])
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
