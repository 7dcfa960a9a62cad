"""RUN --mount and --device: fields `key=value`, apart by commas."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from yadokari_builder.dockerfile.instructions import Device, Mount
from yadokari_builder.dockerfile.literals import parse_bool, parse_size, parse_unsigned, split_fields
from yadokari_builder.dockerfile.location import LanguageError
from yadokari_builder.dockerfile.quoting import quote
from yadokari_builder.dockerfile.suggestion import with_suggestion

_TYPES = ("bind", "cache", "tmpfs", "secret", "ssh")
_SHARINGS = ("shared", "private", "locked")
_TEXTS = {
    "from": "from_",
    "source": "source",
    "src": "source",
    "target": "target",
    "dst": "target",
    "destination": "target",
    "id": "id",
    "env": "env",
}
_ALL_KEYS = (
    *(
        "type",
        "from",
        "source",
        "target",
        "readonly",
        "id",
        "sharing",
        "required",
        "size",
        "mode",
        "uid",
        "gid",
    ),
    *("src", "dst", "destination", "ro", "rw", "readwrite", "env"),
)


def parse_mount_source(text: str) -> Mount:
    """Read a mount's `from` alone: what a plan needs before variables are known. Raises LanguageError."""
    from_ = ""
    for field in _fields(text, "mounts"):
        key, _, value = field.partition("=")
        if key.lower() == "from":
            if "$" in value[:-1]:
                raise LanguageError(
                    "'from' doesn't support variable expansion, define alias stage instead", field
                )
            from_ = value
    return Mount(from_=from_)


def parse_mount(text: str, expand: Callable[[str], str]) -> Mount:
    """Read a mount; `expand` replaces the variables of each value. Raises LanguageError."""
    mount = Mount()
    readonly: bool | None = None
    for field in _fields(text, "mounts"):
        written, equals, value = field.partition("=")
        key = written.lower()
        if key in ("readonly", "ro", "readwrite", "rw"):
            on = _bool(key, expand(value)) if equals else True
            readonly = on if key in ("readonly", "ro") else not on
        elif key == "required":
            _only_for(mount, key, "secret", "ssh")
            mount = replace(mount, required=_bool(key, expand(value)) if equals else True)
        elif not equals:
            raise LanguageError(f"invalid field '{field}' must be a key=value pair", field)
        else:
            mount = replace(mount, **_field(mount, key, expand(value), field))
    if readonly is None:
        readonly = mount.type not in ("cache", "tmpfs")
    _check(mount)
    return replace(mount, readonly=readonly)


def _field(mount: Mount, key: str, value: str, field: str) -> dict[str, Any]:
    """Return what a field changes of the mount read so far."""
    if key in _TEXTS:
        return {_TEXTS[key]: value}
    match key:
        case "type":
            return {"type": _one_of(value, _TYPES, "mount type")}
        case "sharing":
            return {"sharing": _one_of(value, _SHARINGS, "sharing value")}
        case "size":
            _only_for(mount, key, "tmpfs")
            try:
                return {"size": parse_size(value)}
            except LanguageError:
                raise LanguageError(f"invalid value for size: {value}", field) from None
        case "mode" | "uid" | "gid":
            try:
                return {key: parse_unsigned(value, 8 if key == "mode" else 10)}
            except LanguageError:
                raise LanguageError(f"invalid value {value} for {key}", field) from None
    raise with_suggestion(f"unexpected key '{key}' in '{field}'", key, _ALL_KEYS)


def _check(mount: Mount) -> None:
    """Refuse combinations that make no sense."""
    if mount.type in ("bind", "tmpfs"):
        for name, value in (("mode", mount.mode), ("uid", mount.uid), ("gid", mount.gid)):
            if value is not None:
                raise LanguageError(f"{name} not allowed for {quote(mount.type)} type mounts", name)
    if mount.type == "secret":
        _check_secret(mount)
    if mount.sharing and mount.type != "cache":
        raise LanguageError(f"invalid cache sharing set for {mount.type} mount", "sharing")


def _check_secret(mount: Mount) -> None:
    if mount.from_:
        raise LanguageError("secret mount should not have a from", "from=")
    if mount.sharing:
        raise LanguageError("secret mount should not define sharing", "sharing")
    if not (mount.source or mount.target or mount.id):
        raise LanguageError("invalid secret mount. one of source, target required", "type=secret")
    if mount.source and mount.id:
        raise LanguageError("both source and id can't be set", "id=")


def _only_for(mount: Mount, key: str, *types: str) -> None:
    if mount.type not in types:
        raise LanguageError(f"unexpected key '{key}' for mount type '{mount.type}'", key)


def _one_of(value: str, known: tuple[str, ...], what: str) -> str:
    if value.lower() not in known:
        raise with_suggestion(f"unsupported {what} {quote(value)}", value, known)
    return value.lower()


def _bool(key: str, value: str) -> bool:
    try:
        return parse_bool(value)
    except LanguageError:
        raise LanguageError(f"invalid value for {key}: {value}", key) from None


def _fields(text: str, what: str) -> tuple[str, ...]:
    try:
        return split_fields(text)
    except LanguageError as error:
        raise LanguageError(f"failed to parse csv {what}: {error.message}", text) from None


def parse_device(text: str) -> Device:
    """Read a --device: `[name=]NAME[,required[=BOOL]]`. Raises LanguageError."""
    name = ""
    required = False
    for field in _fields(text, "devices"):
        key, equals, value = field.partition("=")
        match key.lower(), equals:
            case "required", "":
                required = True
            case "required", _:
                required = _bool("required", value)
            case "name", "=":
                if name:
                    raise LanguageError(f"device name already set to {name}", field)
                name = value
            case _ if not name:
                name = field
            case _, "":
                raise LanguageError(f"invalid field '{field}' must be a key=value pair", field)
            case _:
                raise with_suggestion(
                    f"unexpected key '{key.lower()}' in '{field}'", key.lower(), ("name", "required")
                )
    return Device(name, required)
