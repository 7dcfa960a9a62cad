"""Header blocks of tar archives: POSIX ustar and pax, GNU, and the format of Unix's seventh edition.

Sources: POSIX.1-2017, pax, "ustar Interchange Format" and "pax Extended Header"; GNU tar manual, "Basic Tar
Format" and "Storing Sparse Files".
"""

import os
from collections.abc import Callable, Mapping, Sequence
from zlib import adler32

from yadokari_builder.errors import ImageInvalidError
from yadokari_builder.layers.tar_member import Kind, Member, shown

_USTAR_MAGIC = b"ustar\x0000"
_KINDS = {kind.value: kind for kind in Kind} | {b"\0": Kind.FILE, b"7": Kind.FILE, b"S": Kind.FILE}
_XATTR = "SCHILY.xattr."
_MAX_XATTR_NAME = 255  # bytes (xattr(7))
_MAX_ID = (1 << 32) - 2
_MAX_DEVICE = (1 << 31) - 1
_MAX_SIZE = _MAX_NANOSECONDS = (1 << 63) - 1
_MAX_DIGITS = 20
_SECOND = 1_000_000_000
_ADLER = 65521
_SPACES = b" " * 8

Records = Sequence[tuple[str, bytes]]


def parse_header(block: bytes) -> Member:
    """Read a header of 512 bytes by itself; its checksum is checked first.

    Raises ImageInvalidError if it is no header.
    """
    _check(block)
    flag = block[156:157]
    name = _text(block[:100])
    if block.startswith(_USTAR_MAGIC, 257) and block[345]:
        name = f"{_text(block[345:500])}/{name}"
    kind = _KINDS.get(flag)
    if kind is None:
        raise ImageInvalidError(f"the archive's member {shown(name)} is of the unknown type {flag!r}")
    is_device = kind is Kind.CHARACTER_DEVICE or kind is Kind.BLOCK_DEVICE
    return Member(
        name,
        kind,
        number(block[100:108]) & 0o7777,
        _checked_id(number(block[108:116]), name),
        _checked_id(number(block[116:124]), name),
        _checked_size(number(block[124:136]), name) if kind is Kind.FILE else 0,
        _bounded_time(number(block[136:148]) * _SECOND),
        _text(block[157:257]) if kind is Kind.LINK or kind is Kind.HARD_LINK else "",
        _checked_device(number(block[329:337]), number(block[337:345]), name) if is_device else (0, 0),
    )


def is_old_directory(block: bytes, name: str) -> bool:
    """Tell whether a header is a directory's as Unix's seventh edition wrote it: a file named `name/`."""
    return block[156] == 0 and name.endswith("/")


def extended_size(block: bytes) -> int:
    """Read the size of an extended header's content from its block, whose checksum is checked first."""
    _check(block)
    return _checked_size(number(block[124:136]), _text(block[:100]))


def extended(member: Member, records: Mapping[str, bytes]) -> Member:
    """Return a member with what extended headers say of it.

    An empty value leaves what the header itself has (POSIX), but for extended attributes, which may be empty.
    """
    changes: dict[str, object] = {}
    xattrs: dict[str, bytes] = {}
    for key, value in records.items():
        if key.startswith(_XATTR):
            xattrs[_checked_xattr(key[len(_XATTR) :], member.name)] = value
        elif value and key in _FIELDS:
            field, parse = _FIELDS[key]
            changes[field] = parse(value, member.name)
    if xattrs:
        changes["xattrs"] = xattrs
    if "link" in changes and member.kind not in (Kind.LINK, Kind.HARD_LINK):
        del changes["link"]
    if "size" in changes and member.kind is not Kind.FILE:
        del changes["size"]
    return member._replace(**changes)  # type: ignore[arg-type]


def parse_records(data: bytes) -> Records:
    r"""Read a pax header's records, `"%d %s=%s\n"` each, in their order.

    Raises ImageInvalidError if they are malformed.
    """
    records = []
    position = 0
    while position < len(data) and data[position] != 0:
        digits, space, _ = data[position : position + _MAX_DIGITS].partition(b" ")
        end = position + (decimal(digits) or 0)
        key, equals, value = data[position + len(digits) + 1 : end].partition(b"=")
        is_named = key and b"\0" not in key
        if not (space and is_named and equals and value.endswith(b"\n") and end <= len(data)):
            raise ImageInvalidError("the archive holds a malformed extended header")
        records.append((os.fsdecode(key), value[:-1]))
        position = end
    return records


def decimal(text: bytes) -> int | None:
    """Read a number of a pax header, None for what is none, or longer than any that can be meant."""
    return int(text) if text.isdigit() and len(text) <= _MAX_DIGITS else None


def parse_path(value: bytes, name: str) -> str:
    """Read a path of a pax header; raises ImageInvalidError that names a member."""
    if b"\0" in value:
        raise ImageInvalidError(f"the archive's member {shown(name)} has a path with a zero byte")
    return os.fsdecode(value)


def number(field: bytes) -> int:
    """Read a number: octal digits, or GNU's base 256 if the first bit is set.

    Raises ImageInvalidError if it is neither.
    """
    try:
        return int(field.rstrip(b" \0"), 8)
    except ValueError:
        return _unusual_number(field)


def _unusual_number(field: bytes) -> int:
    if field[0] & 0x80:
        bits = 8 * len(field) - 1
        value = int.from_bytes(field, "big") & ((1 << bits) - 1)
        return value - (1 << bits) if field[0] & 0x40 else value
    if field.strip(b" \0"):
        raise ImageInvalidError(f"a header of the archive holds {field!r} where a number belongs")
    return 0


def _check(block: bytes) -> None:
    """Compare the checksum: the sum of all bytes, with eight spaces where the checksum itself stands.

    Adler-32's lower half is a sum of bytes plus one, modulo 65521, and many times faster than adding here.
    """
    stated = number(block[148:156])
    if (adler32(block[:148] + _SPACES + block[156:]) & 0xFFFF) == (stated + 1) % _ADLER:
        return
    # Some old programs added the bytes as signed ones.
    signed = memoryview(block).cast("b")
    if sum(signed[:148]) + sum(_SPACES) + sum(signed[156:]) != stated:
        raise ImageInvalidError("the archive is broken: a header's checksum does not match")


def _text(field: bytes) -> str:
    return os.fsdecode(field.partition(b"\0")[0])


def _checked_id(value: int, name: str) -> int:
    if not 0 <= value <= _MAX_ID:
        raise ImageInvalidError(f"the archive's member {shown(name)} has the impossible owner {value}")
    return value


def _checked_size(value: int, name: str) -> int:
    if not 0 <= value <= _MAX_SIZE:
        raise ImageInvalidError(f"the archive's member {shown(name)} has the impossible size {value}")
    return value


def _checked_device(major: int, minor: int, name: str) -> tuple[int, int]:
    if not (0 <= major <= _MAX_DEVICE and 0 <= minor <= _MAX_DEVICE):
        raise ImageInvalidError(
            f"the archive's member {shown(name)} has the impossible device number {major}:{minor}"
        )
    return major, minor


def _checked_xattr(attribute: str, name: str) -> str:
    if not 0 < len(os.fsencode(attribute)) <= _MAX_XATTR_NAME:
        raise ImageInvalidError(
            f"the archive's member {shown(name)} has an attribute whose name has"
            f" {len(attribute)} bytes: 1 to {_MAX_XATTR_NAME} can be"
        )
    return attribute


def _bounded_time(nanoseconds: int) -> int:
    return max(-_MAX_NANOSECONDS, min(nanoseconds, _MAX_NANOSECONDS))


def _parse_decimal(value: bytes, name: str) -> int:
    parsed = decimal(value)
    if parsed is None:
        text = value[:_MAX_DIGITS] + b"..." if len(value) > _MAX_DIGITS else value
        raise ImageInvalidError(f"the archive's member {shown(name)} has {text!r} where a number belongs")
    return parsed


def _parse_time(value: bytes, name: str) -> int:
    """Read seconds since the epoch, with any number of decimals (POSIX, "pax Extended Header File Times")."""
    whole, _, fraction = value.partition(b".")
    magnitude = _parse_decimal(whole.removeprefix(b"-"), name) * _SECOND
    if fraction:
        magnitude += _parse_decimal(fraction[:9].ljust(9, b"0"), name)
    return _bounded_time(-magnitude if value.startswith(b"-") else magnitude)


_FIELDS: dict[str, tuple[str, Callable[[bytes, str], object]]] = {
    "path": ("name", parse_path),
    "linkpath": ("link", parse_path),
    "uid": ("uid", lambda value, name: _checked_id(_parse_decimal(value, name), name)),
    "gid": ("gid", lambda value, name: _checked_id(_parse_decimal(value, name), name)),
    "size": ("size", lambda value, name: _checked_size(_parse_decimal(value, name), name)),
    "mtime": ("mtime_ns", _parse_time),
}
