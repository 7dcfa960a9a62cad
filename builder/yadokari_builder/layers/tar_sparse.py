"""Maps of sparse files in GNU tar archives (GNU tar manual, "Storing Sparse Files").

A map lists the pieces of a file's content as (offset, length); the archive holds the pieces one after the
other, and what lies between them is a hole.
"""

from collections.abc import Callable, Mapping

from yadokari_builder.errors import ImageInvalidError
from yadokari_builder.layers.tar_header import Records, decimal, number, parse_path
from yadokari_builder.layers.tar_member import BLOCK, Member

# A mebibyte of map, as for other extended headers.
_MAX_MAP_BLOCKS = 2048
_MAX_SIZE = (1 << 63) - 1

ReadBlock = Callable[[], bytes]


def old_gnu(member: Member, block: bytes, read_block: ReadBlock) -> Member:
    """Return a member of type `S` with its map: four pieces in the header, more in blocks after it."""
    real_size = number(block[483:495])
    numbers = _numbers_of_block(block[386:482])
    continued = block[482]
    for _ in range(_MAX_MAP_BLOCKS):
        if not continued:
            break
        block = read_block()
        numbers += _numbers_of_block(block[:504])
        continued = block[504]
    if continued:
        raise _invalid()
    return _sparse(member, numbers, real_size)


def pax(member: Member, records: Records, read_block: ReadBlock) -> Member:
    """Return a member with the map that its pax header (0.0, 0.1) or its content (1.0) gives, if any does."""
    fields = dict(records)
    member = _renamed(member, fields)
    if fields.get("GNU.sparse.major") == b"1" and fields.get("GNU.sparse.minor") == b"0":
        numbers, blocks = _numbers_in_content(read_block)
        member = member._replace(size=member.size - blocks * BLOCK)
        return _sparse(member, numbers, _decimal(fields.get("GNU.sparse.realsize", b"")))
    if "GNU.sparse.map" in fields:
        numbers = [_decimal(text) for text in fields["GNU.sparse.map"].split(b",") if text]
    elif "GNU.sparse.size" in fields:
        keys = ("GNU.sparse.offset", "GNU.sparse.numbytes")
        numbers = [_decimal(value) for key, value in records if key in keys]
    else:
        return member
    return _sparse(member, numbers, _decimal(fields.get("GNU.sparse.size", b"")))


def _renamed(member: Member, fields: Mapping[str, bytes]) -> Member:
    name = fields.get("GNU.sparse.name")
    return member._replace(name=parse_path(name, member.name)) if name else member


def _numbers_of_block(block: bytes) -> list[int]:
    """Read pieces of 12 + 12 bytes; an unused one ends the list."""
    fields = [block[at : at + 12] for at in range(0, len(block) - 11, 12)]
    used = next((at for at in range(0, len(fields), 2) if not fields[at].strip(b"\0 ")), len(fields))
    return [number(field) for field in fields[:used]]


def _numbers_in_content(read_block: ReadBlock) -> tuple[list[int], int]:
    """Read a map of format 1.0: decimal lines before the content, the first one how many pieces."""
    text = bytearray()
    wanted = 1
    lines = 0
    while lines < wanted:
        if len(text) == _MAX_MAP_BLOCKS * BLOCK:
            raise _invalid()
        block = read_block()
        text += block
        lines += block.count(b"\n")
        if wanted == 1 and lines:
            wanted += 2 * _decimal(bytes(text.partition(b"\n")[0]))
    return [_decimal(bytes(line)) for line in text.split(b"\n")[1:wanted]], len(text) // BLOCK


def _sparse(member: Member, numbers: list[int], real_size: int) -> Member:
    if len(numbers) % 2:
        raise _invalid()
    pieces = tuple(zip(numbers[::2], numbers[1::2], strict=True))
    end = 0
    for offset, length in pieces:
        if offset < end or length < 0:
            raise _invalid()
        end = offset + length
    if not end <= real_size <= _MAX_SIZE or sum(length for _, length in pieces) != member.size:
        raise _invalid()
    return member._replace(sparse=pieces, real_size=real_size)


def _decimal(text: bytes) -> int:
    parsed = decimal(text)
    if parsed is None:
        raise _invalid()
    return parsed


def _invalid() -> ImageInvalidError:
    return ImageInvalidError("the archive is broken: a sparse file's map makes no sense")
