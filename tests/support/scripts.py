"""Random scripts of operations on the files of a tree."""

from hypothesis import strategies as st

from support.operations import Operation

_NAMES = st.sampled_from(["a", "b", "c", "dir", "d.e", "é", "long" * 30])
_PATHS = st.lists(_NAMES, min_size=1, max_size=3).map("/".join)
_MODES = st.sampled_from([0o600, 0o755, 0o4755, 0o2770, 0o1777])
_OWNERS = st.sampled_from([(0, 0), (1, 2), (100_000, 3_000_000)])


def _bytes(most: int) -> st.SearchStrategy[str]:
    return st.binary(min_size=1, max_size=most).map(lambda content: content.decode("latin-1"))


operations: st.SearchStrategy[Operation] = st.one_of(
    st.tuples(st.just("write"), _PATHS, _bytes(2000)),
    st.tuples(st.just("append"), _PATHS, _bytes(20)),
    st.tuples(st.sampled_from(["remove", "make_anew", "make_folder", "make_fifo", "make_device"]), _PATHS),
    st.tuples(st.sampled_from(["rename", "hard_link", "link"]), _PATHS, _PATHS),
    st.tuples(st.just("change_mode"), _PATHS, _MODES),
    st.tuples(st.just("change_owner"), _PATHS, _OWNERS).map(lambda drawn: (*drawn[:2], *drawn[2])),
    st.tuples(st.just("set_time"), _PATHS, st.integers(0, 2**33)),
    st.tuples(st.just("set_attribute"), _PATHS, _bytes(20)),
)
scripts = st.lists(st.lists(operations, min_size=1, max_size=12), min_size=1, max_size=3)
"""Scripts of one step or more, each of them a list of operations."""
