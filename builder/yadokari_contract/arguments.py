"""Reads and writes the executor's arguments by the table of flags.

Syntax is that of kaniko's flag library (pflag): `--flag value`, `--flag=value`, `-f value`, `-fvalue`,
switches as `--flag` or `--flag=true|false`; a flag that takes several values is repeated.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any

from yadokari_contract.flags import FLAGS, KANIKO_ONLY, Flag, Kind
from yadokari_contract.spec import BuildSpec


class ArgumentError(ValueError):
    """An argument is not known, lacks its value or has one that cannot be."""


def parse_arguments(arguments: Sequence[str]) -> BuildSpec:
    """Read the executor's arguments; raises `ArgumentError` with what is wrong and what would be right."""
    by_name = {f"--{flag.name}": flag for flag in FLAGS}
    by_name |= {f"-{flag.short}": flag for flag in FLAGS if flag.short}
    by_name |= {f"--{flag.alias}": flag for flag in FLAGS if flag.alias}
    spec = BuildSpec()
    rest = iter(arguments)
    for argument in rest:
        name, value = _split(argument)
        flag = by_name.get(name)
        if flag is None:
            raise ArgumentError(_unknown(name, by_name))
        if value is None:
            value = "true" if flag.kind is Kind.SWITCH else next(rest, None)
        if value is None:
            raise ArgumentError(f"{name} needs a value")
        spec = _with(spec, flag, value)
    return spec


def format_arguments(spec: BuildSpec) -> list[str]:
    """Write arguments that `parse_arguments` reads as `spec`; what has its default is left out."""
    return [f"--{flag.name}={text}" for flag in FLAGS for text in _given(spec, flag)]


def usage() -> str:
    """Describe every flag, one a line."""
    names = [
        (f"-{flag.short}, " if flag.short else "    ")
        + f"--{flag.name} {_SYNTAX[flag.kind].placeholder}".rstrip()
        for flag in FLAGS
    ]
    width = max(map(len, names))
    return "\n".join(
        f"  {name:{width}}  {_described(flag)}" + (f" ({', '.join(flag.choices)})" if flag.choices else "")
        for name, flag in zip(names, FLAGS, strict=True)
    )


def _described(flag: Flag) -> str:
    return flag.help if flag.field else f"accepted for kaniko's sake: {flag.help}"


def _with(spec: BuildSpec, flag: Flag, text: str) -> BuildSpec:
    read = _SYNTAX[flag.kind].read
    if flag.field:
        return replace(spec, **{flag.field: read(flag, getattr(spec, flag.field), text)})
    read(flag, None, text)
    return replace(spec, accepted=MappingProxyType({**spec.accepted, flag.name: text}))


def _given(spec: BuildSpec, flag: Flag) -> Iterator[str]:
    if not flag.field:
        yield from (text for name, text in spec.accepted.items() if name == flag.name)
    elif (value := getattr(spec, flag.field)) != getattr(BuildSpec(), flag.field):
        yield from _SYNTAX[flag.kind].write(value)


def _split(argument: str) -> tuple[str, str | None]:
    if argument.startswith("--") and len(argument) > 2:
        name, found, value = argument.partition("=")
        return name, value if found else None
    if argument.startswith("-") and len(argument) > 1 and argument[1] != "-":
        value = argument[2:].removeprefix("=")
        return argument[:2], value if len(argument) > 2 else None
    raise ArgumentError(f"{argument!r} is not a flag: the executor takes flags only")


def _unknown(name: str, known: Mapping[str, Flag]) -> str:
    if name.removeprefix("--") in KANIKO_ONLY:
        return f"{name} is a flag of kaniko that this version of Yadokari does not support: remove it"
    near = _nearest(name, known)
    return f"{name} is not a flag" + (f": did you mean {near}?" if near else ": --help lists them")


def _nearest(name: str, known: Mapping[str, Flag]) -> str | None:
    return next(iter(get_close_matches(name, known, 1, 0.7)), None)


@dataclass(frozen=True, slots=True)
class _Syntax:
    """How one kind of values is read, on top of those given before, and written."""

    placeholder: str
    read: Callable[[Flag, Any, str], Any]
    write: Callable[[Any], Iterator[str]]


def _read_text(flag: Flag, _: Any, value: str) -> str:
    if flag.choices and value not in flag.choices:
        raise ArgumentError(f"--{flag.name} is {value!r}: it can be {', '.join(flag.choices)}")
    return value


def _read_switch(flag: Flag, _: Any, value: str) -> bool:
    try:
        return {"true": True, "1": True, "t": True, "false": False, "0": False, "f": False}[value.lower()]
    except KeyError:
        raise ArgumentError(f"--{flag.name} is {value!r}: it can be true or false") from None


def _read_number(flag: Flag, _: Any, value: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise ArgumentError(f"--{flag.name} is {value!r}: it is a number") from None


def _read_list(flag: Flag, before: tuple[str, ...], value: str) -> tuple[str, ...]:
    if not value:
        raise ArgumentError(f"--{flag.name} is empty")
    return (*before, value)


def _read_optional_pair(flag: Flag, before: Mapping[str, str | None], text: str) -> Mapping[str, str | None]:
    key, found, value = text.partition("=")
    if not key:
        raise ArgumentError(f"--{flag.name} is {text!r}: it has the form NAME=VALUE or NAME")
    return MappingProxyType({**before, key: value if found else None})


def _read_pair(flag: Flag, before: Mapping[str, str], text: str) -> Mapping[str, str]:
    key, found, value = text.partition("=")
    if not key or not found:
        raise ArgumentError(f"--{flag.name} is {text!r}: it has the form NAME=VALUE")
    return MappingProxyType({**before, key: value})


def _write_pairs(pairs: Mapping[str, str | None]) -> Iterator[str]:
    return (key if value is None else f"{key}={value}" for key, value in pairs.items())


_SYNTAX: Mapping[Kind, _Syntax] = MappingProxyType(
    {
        Kind.TEXT: _Syntax("TEXT", _read_text, lambda value: iter([value])),
        Kind.SWITCH: _Syntax("", _read_switch, lambda value: iter(["true" if value else "false"])),
        Kind.NUMBER: _Syntax("NUMBER", _read_number, lambda value: iter([str(value)])),
        Kind.LIST: _Syntax("TEXT", _read_list, iter),
        Kind.OPTIONAL_PAIRS: _Syntax("NAME[=VALUE]", _read_optional_pair, _write_pairs),
        Kind.PAIRS: _Syntax("NAME=VALUE", _read_pair, _write_pairs),
    }
)
