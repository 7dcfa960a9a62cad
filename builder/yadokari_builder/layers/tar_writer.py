"""Headers of tar archives, as Go's archive/tar writes the pax format: ustar, extended where that does not do.

Owners are numbers alone and times are whole seconds, as in BuildKit's layers.
"""

import os
import struct
from zlib import adler32

from yadokari_builder.layers.tar_member import BLOCK, Kind, Member

_HEADER = struct.Struct("100s 8s 8s 8s 12s 12s 8s c 100s 8s 64x 8s 8s 167x")
_CHECKSUM = 148
_MAGIC = b"ustar\x0000"
_SPACES = b" " * 8
_MAX_TEXT = 100
_MAX_ID = 0o7777777
_MAX_NUMBER = 0o77777777777
_SECOND = 1_000_000_000


def format_header(member: Member) -> bytes:
    """Return a member's header: a block, and before it an extended header if plain fields cannot hold it."""
    name, link = os.fsencode(member.name), os.fsencode(member.link)
    seconds = member.mtime_ns // _SECOND
    records = [(f"SCHILY.xattr.{key}", value) for key, value in member.xattrs.items()]
    if not _is_plain(name):
        records.append(("path", name))
    if not _is_plain(link):
        records.append(("linkpath", link))
    if member.uid > _MAX_ID:
        records.append(("uid", b"%d" % member.uid))
    if member.gid > _MAX_ID:
        records.append(("gid", b"%d" % member.gid))
    if member.size > _MAX_NUMBER:
        records.append(("size", b"%d" % member.size))
    if not 0 <= seconds <= _MAX_NUMBER:
        records.append(("mtime", b"%d" % seconds))
    if not records:
        return _block(name, member, link, seconds)
    return _extended(name, records) + _block(_ascii(name), member, _ascii(link), seconds)


def padding(size: int) -> bytes:
    """Return what fills a content of `size` bytes up to whole blocks."""
    return bytes(-size % BLOCK)


def _block(name: bytes, member: Member, link: bytes = b"", seconds: int = 0, flag: bytes = b"") -> bytes:
    major, minor = member.device
    block = _HEADER.pack(
        name,
        b"%07o" % member.mode,
        b"%07o" % (member.uid if member.uid <= _MAX_ID else 0),
        b"%07o" % (member.gid if member.gid <= _MAX_ID else 0),
        b"%011o" % (member.size if member.size <= _MAX_NUMBER else 0),
        b"%011o" % (seconds if 0 <= seconds <= _MAX_NUMBER else 0),
        _SPACES,
        flag or member.kind.value,
        link,
        _MAGIC,
        b"%07o" % major,
        b"%07o" % minor,
    )
    # A sum of bytes plus one, modulo 65521: more than 512 bytes of ASCII can come to.
    checksum = (adler32(block) & 0xFFFF) - 1
    return b"%b%06o\0 %b" % (block[:_CHECKSUM], checksum, block[_CHECKSUM + 8 :])


def _extended(name: bytes, records: list[tuple[str, bytes]]) -> bytes:
    """Return a pax extended header (POSIX.1-2017, pax), its records sorted by their keys."""
    content = b"".join(_record(os.fsencode(key), value) for key, value in sorted(records))
    directory, _, base = name.rstrip(b"/").rpartition(b"/")
    member = Member("", Kind.FILE, 0o644, 0, 0, len(content), 0)
    header_name = _ascii(b"/".join(part for part in (directory, b"PaxHeaders.0", base) if part))
    return _block(header_name, member, flag=b"x") + content + padding(len(content))


def _record(key: bytes, value: bytes) -> bytes:
    """Return `length key=value`, where the length counts its own digits too."""
    rest = len(key) + len(value) + 3
    length = rest + len(str(rest))
    length = rest + len(str(length))
    return b"%d %b=%b\n" % (length, key, value)


def _is_plain(text: bytes) -> bool:
    return len(text) <= _MAX_TEXT and text.isascii()


def _ascii(text: bytes) -> bytes:
    return bytes(byte for byte in text if byte < 0x80)[:_MAX_TEXT]
