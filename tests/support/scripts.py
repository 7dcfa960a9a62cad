"""Random scripts of operations on the files of a tree, most of which can be done."""

from hypothesis import strategies as st

from support.archives import ACL
from support.operations import Operation

START: list[Operation] = [
    ("write", "a", "first"),
    ("write", "b", "second" * 100),
    ("write", "d/f", "third"),
    ("write", "d/e/g", "fourth"),
    ("hard_link", "b", "h"),
    ("link", "l", "d/f"),
    ("make_fifo", "p"),
    ("set_attribute", "b", "user.note", "noted"),
    ("set_time", "a", 1_000_000_000_000_000_000),
]
"""What there is before the first step."""

_THERE = ["a", "b", "h", "d", "d/f", "d/e", "d/e/g", "l", "p"]
_PATHS = st.sampled_from([*_THERE, *_THERE, "c", "d/c", "d/e/c", "n/é", "n/" + "long" * 30])
_MODES = st.sampled_from([0o600, 0o755, 0o4755, 0o2770, 0o1777])
_OWNERS = st.sampled_from([(0, 0), (1, 2), (100_000, 3_000_000)])
_CAPABILITY = bytes.fromhex("0100000200200000000000000000000000000000")


def _bytes(most: int) -> st.SearchStrategy[str]:
    return st.binary(min_size=1, max_size=most).map(lambda content: content.decode("latin-1"))


_NOTES = _bytes(20).map(lambda value: ("user.note", value))
_OF_THE_SYSTEM = st.sampled_from(
    [
        ("security.capability", _CAPABILITY.decode("latin-1")),
        ("system.posix_acl_access", ACL.decode("latin-1")),
        ("system.posix_acl_default", ACL.decode("latin-1")),
    ]
)
_NO_LINKS = st.sampled_from([path for path in _THERE if path != "l"])
_FOLDERS = st.sampled_from(["d", "d/e"])
_MAKING = st.sampled_from(["make_folder", "make_fifo", "make_device"])
_CHANGING = st.sampled_from(["rewrite", "leave", "remove", "remove_attributes"])
operations: st.SearchStrategy[Operation] = st.one_of(
    st.tuples(st.just("write"), _PATHS, _bytes(2000)),
    st.tuples(st.just("append"), _PATHS, _bytes(20)),
    st.tuples(st.just("lengthen"), _PATHS, st.integers(0, 200_000)),
    st.tuples(_CHANGING, _PATHS),
    st.tuples(st.just("make_anew"), _FOLDERS),
    st.tuples(_MAKING, _PATHS),
    st.tuples(st.sampled_from(["rename", "hard_link", "link"]), _PATHS, _PATHS),
    st.tuples(st.just("change_mode"), _PATHS, _MODES),
    st.tuples(st.just("change_owner"), _PATHS, _OWNERS).map(lambda drawn: (*drawn[:2], *drawn[2])),
    st.tuples(st.just("set_time"), _PATHS, st.integers(0, 2**62)),
    st.tuples(st.just("set_attribute"), _PATHS, _NOTES).map(lambda drawn: (*drawn[:2], *drawn[2])),
    st.tuples(st.just("set_attribute"), _NO_LINKS, _OF_THE_SYSTEM).map(lambda drawn: (*drawn[:2], *drawn[2])),
)
scripts = st.lists(st.lists(operations, min_size=1, max_size=12), min_size=1, max_size=3)
"""Steps that follow the start, each of them a list of operations."""

HARD: list[list[Operation]] = [
    [
        ("remove", "a"),
        ("make_anew", "d/e"),
        ("set_attribute", "b", "security.capability", _CAPABILITY.decode("latin-1")),
        ("set_attribute", "d", "system.posix_acl_default", ACL.decode("latin-1")),
    ]
]
"""A script with all the harder things in it."""
