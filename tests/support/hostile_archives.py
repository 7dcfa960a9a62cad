"""Tar archives that nobody's tar would write, put together header by header.

What is random about them is what an attacker would choose: names that lead out, numbers that do not fit,
fields of the wrong kind, records that contradict each other. Their checksums are right.
"""

from collections.abc import Iterable, Sequence

from hypothesis import strategies as st

BLOCK = 512
END = bytes(2 * BLOCK)


def header(
    name: bytes = b"f",
    *,
    flag: bytes = b"0",
    mode: bytes = b"0000644\0",
    uid: bytes = b"0000000\0",
    gid: bytes = b"0000000\0",
    size: bytes = b"00000000000\0",
    mtime: bytes = b"00000000000\0",
    link: bytes = b"",
    magic: bytes = b"ustar\x0000",
    major: bytes = b"0000000\0",
    minor: bytes = b"0000000\0",
    rest: bytes = b"",
) -> bytes:
    """Return a header's block; numbers are given as the bytes of their fields, `rest` begins at byte 345."""
    fields = [(name, 100), (mode, 8), (uid, 8), (gid, 8), (size, 12), (mtime, 12), (b" " * 8, 8), (flag, 1)]
    fields += [(link, 100), (magic, 8), (bytes(64), 64), (major, 8), (minor, 8), (rest, 167)]
    block = b"".join(value[:width].ljust(width, b"\0") for value, width in fields)
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def octal(value: int, width: int = 12) -> bytes:
    """Return a number as most headers have it."""
    return b"%0*o\0" % (width - 1, value)


def base_256(value: int, width: int = 12) -> bytes:
    """Return a number as GNU tar writes those that are large or negative."""
    field = bytearray((value % (1 << (8 * width))).to_bytes(width, "big"))
    field[0] = 0xFF if value < 0 else 0x80 | field[0]
    return bytes(field)


def content(data: bytes) -> bytes:
    """Return content, filled up to whole blocks."""
    return data + bytes(-len(data) % BLOCK)


def record(key: bytes, value: bytes) -> bytes:
    """Return a record of an extended header."""
    rest = len(key) + len(value) + 3
    length = rest + len(str(rest))
    length = rest + len(str(length))
    return b"%d %b=%b\n" % (length, key, value)


def extended(*records: tuple[bytes, bytes], flag: bytes = b"x") -> bytes:
    """Return an extended header that holds for what follows."""
    data = b"".join(record(key, value) for key, value in records)
    return header(b"pax", flag=flag, size=octal(len(data))) + content(data)


def _mostly(usual: st.SearchStrategy[bytes], odd: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """Take something odd one time in ten, so that what comes after it is reached as well."""
    return st.integers(0, 9).flatmap(lambda number: odd if number == 9 else usual)


def _numbers(width: int) -> st.SearchStrategy[bytes]:
    usual = st.sampled_from([0, 1, 5, 0o755, 0o4755, 0o7777])
    large = st.sampled_from([-1, -(2**60), 2**31, 2**32, 2**62, 2**63 - 1, 2**63, 2**70, 2**93])
    text = st.sampled_from([b"-7", b"0o17", b"1_0", b"9" * width, b"7" * width, b"\xff" * width])
    odd = st.one_of(large.map(lambda value: base_256(value, width)), text, st.binary(max_size=width))
    return _mostly(usual.map(lambda value: octal(value, width)), odd)


_PARTS = st.sampled_from([b"a", b"b", b"c", b"..", b".", b"", b"kept", b"\xff\n\x1b[31m", b"n" * 255])
_ODD_PARTS = st.sampled_from([b".wh.a", b".wh.b", b".wh..wh..opq", b".wh..", b".wh.", b"n" * 256])
_NAMES = st.lists(_mostly(_PARTS, _ODD_PARTS), min_size=1, max_size=4).map(b"/".join)
_TARGETS = st.one_of(_NAMES, st.sampled_from([b"/", b"..", b"../../..", b"/proc/self/root", b"a/../../x"]))
_FLAGS = _mostly(
    st.sampled_from([b"0", b"0", b"\0", b"1", b"2", b"3", b"4", b"5", b"5", b"6", b"7"]),
    st.sampled_from([b"S", b"V", b"Z", b"D", b"g"]),
)

_DECIMALS = _mostly(
    st.sampled_from([b"", b"0", b"1", b"700"]),
    st.sampled_from([b"-1", b"1e9", b"9" * 20, b"9" * 5000, b"0" * 30, b"%d" % (2**63), "\u0663".encode()]),
)
_TIMES = _mostly(
    st.sampled_from([b"1.5", b"-1.9999999999"]), st.sampled_from([b"1.", b".5", b"9" * 20, b"1.-1"])
)
_PATHS = _mostly(_NAMES, st.sampled_from([b"x/" * 3000, b"../" * 20 + b"etc", b"x" * 70_000, b"a\0b"]))
_MAPS = _mostly(
    st.sampled_from([b"", b"0,1", b"0,0,700,0"]),
    st.sampled_from([b"0,5,3,9", b"1,a", b"0", b"0,%d" % (2**63)]),
)
_ATTRIBUTES = _mostly(
    st.sampled_from([b"user.a", b"user.b", b"refused", b"security.capability", b"system.posix_acl_default"]),
    st.sampled_from([b"", b"user.a\0b", b"user." + b"n" * 300, b"\xff", b"trusted.overlay.opaque"]),
)
_RECORD = st.one_of(
    st.tuples(st.sampled_from([b"path", b"linkpath", b"GNU.sparse.name"]), _PATHS),
    st.tuples(st.sampled_from([b"uid", b"gid", b"size"]), _DECIMALS),
    st.tuples(st.just(b"mtime"), _TIMES),
    st.tuples(_ATTRIBUTES.map(lambda name: b"SCHILY.xattr." + name), st.binary(max_size=20)),
    st.tuples(st.sampled_from([b"comment", b"uname", b"\xff", b"a b"]), st.binary(max_size=20)),
    st.tuples(st.sampled_from([b"GNU.sparse.map", b"GNU.sparse.offset", b"GNU.sparse.numbytes"]), _MAPS),
    st.tuples(st.sampled_from([b"GNU.sparse.size", b"GNU.sparse.realsize"]), _DECIMALS),
    st.tuples(st.sampled_from([b"GNU.sparse.major", b"GNU.sparse.minor"]), st.sampled_from([b"0", b"1"])),
)
_RECORDS = st.lists(_RECORD, min_size=1, max_size=4)


def _long(flag: bytes, text: bytes) -> bytes:
    return header(b"././@LongLink", flag=flag, size=octal(len(text))) + content(text)


_HEADS = _mostly(
    st.one_of(st.just(b""), st.just(b""), _RECORDS.map(lambda records: extended(*records))),
    st.one_of(
        _RECORDS.map(lambda records: extended(*records, flag=b"g")),
        st.builds(_long, st.sampled_from([b"L", b"K"]), _PATHS),
        st.binary(max_size=60).map(
            lambda data: header(b"x", flag=b"x", size=octal(len(data))) + content(data)
        ),
    ),
)
_SPARSE = st.lists(_numbers(12), max_size=8).map(
    lambda numbers: bytes(41) + b"".join(number.ljust(12, b"\0") for number in numbers)
)


@st.composite
def _members(draw: st.DrawFn) -> bytes:
    data = draw(st.one_of(st.just(b""), st.binary(max_size=700)))
    block = header(
        draw(_NAMES),
        flag=draw(_FLAGS),
        mode=draw(_numbers(8)),
        uid=draw(_numbers(8)),
        size=draw(_mostly(st.just(octal(len(data))), _numbers(12))),
        mtime=draw(_numbers(12)),
        link=draw(_TARGETS),
        magic=draw(st.sampled_from([b"ustar\x0000", b"ustar  \0", b""])),
        major=draw(_numbers(8)),
        minor=draw(_numbers(8)),
        rest=draw(_mostly(st.just(b""), _SPARSE)),
    )
    return block + content(data)


def _joined(parts: Iterable[Sequence[bytes]]) -> bytes:
    return b"".join(b"".join(part) for part in parts)


ARCHIVES = st.tuples(
    st.lists(st.tuples(_HEADS, _members()), max_size=8).map(_joined),
    _mostly(st.just(END), st.sampled_from([b"", bytes(BLOCK), b"\xff" * 700])),
).map(b"".join)
"""Archives of up to eight members, some of them cut off or with something behind."""
