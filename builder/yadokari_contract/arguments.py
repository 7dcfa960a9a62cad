"""Reads and writes the executor's arguments by the table of flags.

Syntax is that of kaniko's flag library (pflag): `--flag value`, `--flag=value`, `-f value`, `-fvalue`,
switches as `--flag` or `--flag=true|false`; a flag that takes several values is repeated, and of another
the last value counts.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from types import MappingProxyType
from typing import Any, TypeVar

from yadokari_contract.flags import FLAGS, LOGIN_FLAGS, Flag, Kind
from yadokari_contract.sizes import parse_size
from yadokari_contract.spec import BuildSpec, GitOptions, LoginSpec, WarmSpec
from yadokari_contract.suggestion import suggest
from yadokari_contract.variables import VARIABLES
from yadokari_contract.verbs import INDEX, PACK_CONTEXT, PUSH, RESOLVE, VERBS, WARM, Verb

Spec = TypeVar("Spec", bound=BuildSpec)


class ArgumentError(ValueError):
    """An argument is not known, lacks its value or has one that cannot be."""


def parse_arguments(
    arguments: Sequence[str], environment: Mapping[str, str] = MappingProxyType({})
) -> BuildSpec:
    """Read the executor's arguments, and the variables of its environment that stand for some.

    Raises `ArgumentError` with what is wrong and what would be right.
    """
    words, spec = _parse(arguments, FLAGS, environment, BuildSpec())
    if words:
        raise ArgumentError(_needless(words[0]))
    return spec


def parse_push(arguments: Sequence[str], environment: Mapping[str, str]) -> tuple[str, BuildSpec]:
    """Read the arguments of `push`: what to push, and how; raises `ArgumentError`."""
    paths, spec = _parse(arguments, PUSH.flags, environment, BuildSpec())
    if len(paths) != 1:
        raise ArgumentError(f"push takes one file or folder: {PUSH.synopsis}")
    return paths[0], spec


def parse_pack_context(
    arguments: Sequence[str], environment: Mapping[str, str]
) -> tuple[str, str, BuildSpec]:
    """Read the arguments of `pack-context`: a folder, a file, and how; raises `ArgumentError`."""
    words, spec = _parse(arguments, PACK_CONTEXT.flags, environment, BuildSpec())
    if len(words) != 2:
        raise ArgumentError(f"pack-context takes a folder and a file: {PACK_CONTEXT.synopsis}")
    return words[0], words[1], spec


def parse_index(
    arguments: Sequence[str], environment: Mapping[str, str]
) -> tuple[tuple[str, ...], BuildSpec]:
    """Read the arguments of `index`: its images, and where it goes; raises `ArgumentError`."""
    return _parse_some(INDEX, arguments, environment)


def parse_resolve(
    arguments: Sequence[str], environment: Mapping[str, str]
) -> tuple[tuple[str, ...], BuildSpec]:
    """Read the arguments of `resolve`: names, and how servers are reached; raises `ArgumentError`."""
    return _parse_some(RESOLVE, arguments, environment)


def parse_warm(arguments: Sequence[str], environment: Mapping[str, str]) -> WarmSpec:
    """Read the arguments of `warm`; raises `ArgumentError`."""
    words, spec = _parse(arguments, WARM.flags, environment, WarmSpec())
    if words:
        raise ArgumentError(f"{words[0]!r} is not a flag: {WARM.synopsis}")
    if not (spec.images or spec.dockerfile):
        raise ArgumentError(
            "nothing says which images: name some by --image, or a Dockerfile by --dockerfile"
        )
    return spec


def parse_login(arguments: Sequence[str]) -> LoginSpec:
    """Read the arguments of `login`; raises `ArgumentError`."""
    spec = LoginSpec()
    registries = []
    for name, flag, value in _pairs(arguments, _by_name(LOGIN_FLAGS)):
        if flag is None:
            registries.append(name)
        else:
            field: dict[str, Any] = {flag.field: SYNTAX[flag.kind].read(flag, None, value)}
            spec = replace(spec, **field)
    if len(registries) != 1:
        raise ArgumentError("login takes one registry: login REGISTRY -u NAME --password-stdin")
    return replace(spec, registry=registries[0])


def _parse_some(
    verb: Verb, arguments: Sequence[str], environment: Mapping[str, str]
) -> tuple[tuple[str, ...], BuildSpec]:
    words, spec = _parse(arguments, verb.flags, environment, BuildSpec())
    if not words:
        raise ArgumentError(f"{verb.name} takes one word at least: {verb.synopsis}")
    return words, spec


def _parse(
    arguments: Sequence[str], flags: Iterable[Flag], environment: Mapping[str, str], spec: Spec
) -> tuple[tuple[str, ...], Spec]:
    """Read words and flags, and the variables that stand for one of the flags."""
    by_name = _by_name(flags)
    spec = _with_variables(spec, environment, by_name, wins=False)
    words = []
    for name, flag, value in _pairs(arguments, by_name):
        if flag is None:
            words.append(name)
        else:
            spec = _with(spec, flag, value)
    return tuple(words), _with_variables(spec, environment, by_name, wins=True)


def _by_name(flags: Iterable[Flag]) -> dict[str, Flag]:
    names = ((flag, (f"--{flag.name}", f"-{flag.short}", f"--{flag.alias}")) for flag in flags)
    return {name: flag for flag, all_names in names for name in all_names if name.strip("-")}


def _pairs(arguments: Sequence[str], flags: Mapping[str, Flag]) -> Iterator[tuple[str, Flag | None, str]]:
    """Yield the arguments with the flags they name and their values; a word that is no flag has none."""
    rest = iter(arguments)
    for argument in rest:
        if not argument.strip("-") or not argument.startswith("-"):
            yield argument, None, ""
            continue
        name, value = _split(argument)
        flag = flags.get(name)
        if flag is None:
            raise ArgumentError(_unknown(name, flags))
        if value is None:
            value = "true" if flag.kind is Kind.SWITCH else next(rest, None)
        if value is None:
            raise ArgumentError(f"{name} needs a value")
        yield name, flag, value


def format_arguments(spec: BuildSpec) -> list[str]:
    """Write arguments that `parse_arguments` reads as `spec`; what has its default is left out."""
    return [f"--{flag.name}={text}" for flag in FLAGS for text in _given(spec, flag)]


def without_effect(spec: BuildSpec, flags: Iterable[Flag] = FLAGS) -> Iterator[str]:
    """Say of each flag that was given, and changes nothing, why; a line each."""
    for flag in flags:
        if flag.name in spec.accepted:
            yield f"--{flag.name} changes nothing: {flag.help}"


def usage() -> str:
    """Describe every flag of a build, and every verb, one a line."""
    width = max(len(verb.synopsis) for verb in VERBS)
    verbs = "\n".join(f"  {verb.synopsis:{width}}  {verb.help}" for verb in VERBS)
    return f"{_described_flags(FLAGS)}\n\nOther verbs:\n{verbs}\n"


def usage_of(verb: Verb) -> str:
    """Describe a verb and its flags, one a line."""
    flags = f"\n\n{_described_flags(verb.flags)}" if verb.flags else ""
    return f"{verb.synopsis}: {verb.help}{flags}\n"


def _described_flags(flags: Sequence[Flag]) -> str:
    names = [
        (f"-{flag.short}, " if flag.short else "    ")
        + f"--{flag.name} {SYNTAX[flag.kind].placeholder}".rstrip()
        for flag in flags
    ]
    width = max(map(len, names))
    return "\n".join(
        f"  {name:{width}}  {_described(flag)}" + (f" ({', '.join(flag.choices)})" if flag.choices else "")
        for name, flag in zip(names, flags, strict=True)
    )


def _described(flag: Flag) -> str:
    return flag.help if flag.field else f"accepted for kaniko's sake: {flag.help}"


def _with(spec: Spec, flag: Flag, text: str) -> Spec:
    read = SYNTAX[flag.kind].read
    if not flag.field:
        read(flag, None, text)
        return replace(spec, accepted=MappingProxyType({**spec.accepted, flag.name: text}))
    return replace(spec, **{flag.field: read(flag, getattr(spec, flag.field), text)})


def _with_variables(
    spec: Spec, environment: Mapping[str, str], flags: Mapping[str, Flag], *, wins: bool
) -> Spec:
    for variable in VARIABLES:
        for text in variable.texts(environment) if variable.wins == wins else ():
            if variable.flag and f"--{variable.flag}" not in flags:
                continue
            if variable.field:
                value: dict[str, Any] = {variable.field: text}
                spec = replace(spec, **value)
            elif variable.flag:
                try:
                    spec = _with(spec, flags[f"--{variable.flag}"], text)
                except ArgumentError as error:
                    raise ArgumentError(f"{variable.name} in the environment: {error}") from None
    return spec


def _default(flag: Flag) -> Any:
    return getattr(BuildSpec(), flag.field)


def _given(spec: BuildSpec, flag: Flag) -> Iterator[str]:
    if not flag.field:
        yield from (text for name, text in spec.accepted.items() if name == flag.name)
    elif (value := getattr(spec, flag.field)) != _default(flag):
        yield from SYNTAX[flag.kind].write(value)


def _split(argument: str) -> tuple[str, str | None]:
    if argument.startswith("--"):
        name, found, value = argument.partition("=")
        return name, value if found else None
    value = argument[2:].removeprefix("=")
    return argument[:2], value if len(argument) > 2 else None


def _unknown(name: str, known: Mapping[str, Flag]) -> str:
    near = suggest(name, (flag for flag in known if flag.startswith("--")))
    return f"{name} is not a flag" + (f": did you mean {near}?" if near else ": --help lists them")


def _needless(word: str) -> str:
    if word in ("true", "false"):
        return f"{word!r} is not a flag: the value of a switch stands behind =, as in --cache={word}"
    near = suggest(word, (verb.name for verb in VERBS))
    return f"{word!r} is not a flag, nor a verb" + (
        f": did you mean {near}?" if near else ": --help lists both"
    )


@dataclass(frozen=True, slots=True)
class Syntax:
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


def _read_count(flag: Flag, before: Any, value: str) -> int:
    number = _read_number(flag, before, value)
    if number < 0:
        raise ArgumentError(f"--{flag.name} is {value!r}: it is a number from 0")
    return number


def _read_size(flag: Flag, _: Any, value: str) -> int:
    try:
        return parse_size(value)
    except ValueError:
        raise ArgumentError(f"--{flag.name} is {value!r}: it is a number of bytes, as in 10GiB") from None


def _read_duration(flag: Flag, _: Any, value: str) -> timedelta:
    parts = _DURATION_PART.findall(value)
    if not value or "".join(number + unit for number, unit in parts) != value:
        raise ArgumentError(f"--{flag.name} is {value!r}: it is a time as in 336h, 1h30m or 90s")
    try:
        return sum((float(number) * _UNITS[unit] for number, unit in parts), timedelta())
    except OverflowError:
        raise ArgumentError(f"--{flag.name} is {value!r}: it is too long") from None


def _read_list(flag: Flag, before: tuple[str, ...], value: str) -> tuple[str, ...]:
    if not value:
        raise ArgumentError(f"--{flag.name} is empty")
    return (*before, value)


def _read_words(flag: Flag, before: tuple[str, ...], value: str) -> tuple[str, ...]:
    words = tuple(value.split(",")) if value else ()
    for word in words:
        if not word:
            raise ArgumentError(f"--{flag.name} is {value!r}: a value is missing")
        _read_text(flag, None, word)
    return words if before == _default(flag) else (*before, *words)


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


def _read_pairs_of_many(
    flag: Flag, before: Mapping[str, tuple[str, ...]], text: str
) -> Mapping[str, tuple[str, ...]]:
    pairs = dict(before)
    for pair in filter(None, text.split(";")):
        ((key, value),) = _read_pair(flag, {}, pair).items()
        pairs[key] = (*pairs.get(key, ()), value)
    return MappingProxyType(pairs)


def _read_settings(flag: Flag, before: GitOptions, text: str) -> GitOptions:
    # A branch's name may hold commas.
    for pair in re.split(rf",(?=(?:{'|'.join(flag.choices)})=)", text):
        name, found, value = pair.partition("=")
        if not found or name not in flag.choices:
            names = ", ".join(flag.choices)
            raise ArgumentError(
                f"--{flag.name} is {text!r}: it has the form NAME=VALUE, with the names {names}"
            )
        field = name.replace("-", "_")
        setting = replace(flag, name=f"{flag.name} {name}", choices=())
        read = _SETTINGS[type(getattr(before, field))]
        before = replace(before, **{field: read(setting, None, value)})
    return before


def _write_settings(options: GitOptions) -> Iterator[str]:
    for name, value in asdict(options).items():
        text = str(value).lower() if isinstance(value, bool) else str(value)
        yield f"{name.replace('_', '-')}={text}"


def _write_pairs_of_many(pairs: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    return (f"{key}={value}" for key, values in pairs.items() for value in values)


def _write_pairs(pairs: Mapping[str, str | None]) -> Iterator[str]:
    return (key if value is None else f"{key}={value}" for key, value in pairs.items())


_DURATION_PART = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)(h|ms|m|s|us|µs)")
_UNITS: Mapping[str, timedelta] = MappingProxyType(
    {
        "h": timedelta(hours=1),
        "m": timedelta(minutes=1),
        "s": timedelta(seconds=1),
        "ms": timedelta(milliseconds=1),
        "us": timedelta(microseconds=1),
        "µs": timedelta(microseconds=1),
    }
)
_SETTINGS: Mapping[type, Callable[[Flag, Any, str], Any]] = MappingProxyType(
    {str: _read_text, bool: _read_switch, int: _read_count}
)

SYNTAX: Mapping[Kind, Syntax] = MappingProxyType(
    {
        Kind.TEXT: Syntax("TEXT", _read_text, lambda value: iter([value])),
        Kind.SWITCH: Syntax("", _read_switch, lambda value: iter(["true" if value else "false"])),
        Kind.NUMBER: Syntax("NUMBER", _read_number, lambda value: iter([str(value)])),
        Kind.COUNT: Syntax("NUMBER", _read_count, lambda value: iter([str(value)])),
        Kind.SIZE: Syntax("SIZE", _read_size, lambda value: iter([str(value)])),
        Kind.DURATION: Syntax(
            "TIME", _read_duration, lambda value: iter([f"{value // timedelta(microseconds=1)}us"])
        ),
        Kind.LIST: Syntax("TEXT", _read_list, iter),
        Kind.WORDS: Syntax("TEXT[,TEXT]", _read_words, lambda value: iter([",".join(value)])),
        Kind.OPTIONAL_PAIRS: Syntax("NAME[=VALUE]", _read_optional_pair, _write_pairs),
        Kind.PAIRS: Syntax("NAME=VALUE", _read_pair, _write_pairs),
        Kind.PAIRS_OF_MANY: Syntax("NAME=VALUE", _read_pairs_of_many, _write_pairs_of_many),
        Kind.SETTINGS: Syntax("NAME=VALUE", _read_settings, _write_settings),
    }
)
"""How values of each kind are read and written."""
