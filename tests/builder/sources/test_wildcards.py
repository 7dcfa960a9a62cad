import tempfile
from fnmatch import fnmatchcase
from pathlib import Path

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from yadokari_builder.sources.tree import SourceTree
from yadokari_builder.sources.wildcards import find

NAMES = st.text("ab.", min_size=1, max_size=3).filter(lambda name: name not in (".", ".."))
PATHS = st.lists(NAMES, min_size=1, max_size=3).map(tuple)
PATTERNS = st.lists(st.text("ab.*?", min_size=1, max_size=4), min_size=1, max_size=3).filter(
    lambda parts: not {".", ".."} & set(parts) and set("*?") & set("".join(parts))
)


@given(files=st.sets(PATHS, max_size=8), pattern=PATTERNS)
@settings(max_examples=100, deadline=None)
def test_wildcards_find_what_matches_part_by_part(files: set[tuple[str, ...]], pattern: list[str]) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        for parts in files:
            path = Path(temporary, *parts)
            if not any(each.is_file() for each in path.parents) and not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
        present = [path.relative_to(temporary).parts for path in sorted(Path(temporary).rglob("*"))]
        expected = [
            "/" + "/".join(parts)
            for parts in present
            if len(parts) == len(pattern) and all(map(fnmatchcase, parts, pattern))
        ]
        assume(_fixed_part_is_there(Path(temporary), pattern))
        found = find(SourceTree(Path(temporary)), "/" + "/".join(pattern))
        assert sorted(found) == sorted(expected)


def _fixed_part_is_there(base: Path, pattern: list[str]) -> bool:
    first = next(index for index, part in enumerate(pattern) if set("*?") & set(part))
    return base.joinpath(*pattern[:first]).is_dir()
