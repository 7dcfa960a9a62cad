import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yadokari_builder.dockerfile.chmod import ModeChange
from yadokari_builder.dockerfile.location import LanguageError

FILE, FOLDER = stat.S_IFREG, stat.S_IFDIR
SYMBOLIC = (
    *("u=rwX,go=rX", "a+x", "+x", "go-w", "u+s,g+s", "+t", "u=g"),
    *("g+u", "a=r", "u+x-w", "=", "-x", "a-X", "u=rw,g=u-w,o=", "o=u,u+s-x", "ug+X", "a=,u=w", "go=u-w+X"),
)


@pytest.mark.skipif(not shutil.which("chmod"), reason="there is no chmod to compare with")
@pytest.mark.parametrize("change", SYMBOLIC)
def test_symbolic_modes_do_what_chmod_does(change: str, tmp_path: Path) -> None:
    before = {}
    for mode in (0o644, 0o600, 0o755, 0o711, 0o770, 0o000):
        file, folder = tmp_path / f"file-{mode}", tmp_path / f"folder-{mode}"
        file.touch()
        folder.mkdir()
        for path in (file, folder):
            path.chmod(mode)
            before[path] = path.stat().st_mode
    subprocess.run(["chmod", "--", change, *map(str, before)], check=True, umask=0)
    expected = {path.name: oct(stat.S_IMODE(path.stat().st_mode)) for path in before}
    assert {path.name: oct(ModeChange.parse(change).apply(mode)) for path, mode in before.items()} == expected
    for path in before:
        path.chmod(0o700)


@pytest.mark.parametrize(
    ("text", "before", "after"),
    [
        ("755", FILE | 0o600, 0o755),
        ("04711", FILE | 0o600, 0o4711),
        ("u+x", FILE | 0o644, 0o744),
        ("+x", FILE | 0o644, 0o755),
        ("a=r,u+w", FILE | 0o777, 0o644),
        ("g=u", FILE | 0o640, 0o660),
        ("go-rwx", FILE | 0o777, 0o700),
        ("u=rwX,go=rX", FILE | 0o600, 0o644),
        ("u=rwX,go=rX", FOLDER | 0o700, 0o755),
        ("u=rwX,go=rX", FILE | 0o700, 0o755),
        ("u+s,g+s", FILE | 0o755, 0o6755),
        ("+t", FOLDER | 0o777, 0o1777),
        ("o+t", FOLDER | 0o777, 0o777),
        ("u+x-w", FILE | 0o600, 0o500),
        ("=", FILE | 0o777, 0),
    ],
)
def test_modes_are_octal_or_symbolic(text: str, before: int, after: int) -> None:
    assert oct(ModeChange.parse(text).apply(before)) == oct(after)


@pytest.mark.parametrize(
    ("text", "before", "after"),
    [
        ("o+st", FILE | 0o644, 0o644),  # others have no such bits
        ("u=gr", FILE | 0o070, 0o470),  # what is written after a copy replaces it
        ("u=rg", FILE | 0o030, 0o330),  # and a copy what is written before
        ("u=g", FILE | 0o4750, 0o4550),  # a copy leaves the set-ID bits alone
        ("u=gX", FILE | 0o740, 0o540),  # X comes after the copy, and asks what was there at first
        ("+rt", FILE | 0o000, 0o1000),  # t narrows a clause that names nobody to itself
        ("=rt", FILE | 0o777, 0o1777),
        ("=", FILE | 0o7777, 0o1000),  # nobody named: the sticky bit is not touched
        ("a=s", FILE | 0o1777, 0o7000),
        ("-X", FILE | 0o711, 0o600),
        ("u-x+X", FILE | 0o100, 0o100),
    ],
)
def test_where_systems_differ_the_answer_is_that_of_bsd_s_setmode(text: str, before: int, after: int) -> None:
    assert oct(ModeChange.parse(text).apply(before)) == oct(after)


@given(st.integers(0, 0o7777), st.integers(0, 0o7777))
def test_an_octal_mode_replaces_any_other(wanted: int, before: int) -> None:
    assert ModeChange.parse(f"{wanted:04o}").apply(before | FILE) == wanted


def test_folders_made_on_the_way_have_an_octal_mode_without_its_upper_bits() -> None:
    assert ModeChange.parse("4711").parents == 0o711
    assert ModeChange.parse("u=rwx").parents == 0o755


@pytest.mark.parametrize("text", ["8", "0999", "10000", "77777", "07778", "7 7", "0o755", "1" * 100])
def test_numbers_out_of_range_are_refused_in_buildkits_words(text: str) -> None:
    with pytest.raises(LanguageError) as refused:
        ModeChange.parse(text)
    assert refused.value.message == (
        f"invalid chmod parameter: '{text}'. it should be octal string and between 0 and 07777"
    )


@pytest.mark.parametrize(
    ("text", "clause"),
    [
        *((text, text) for text in ("", "u", "x", "u+y", "u~r", "z+x", "+q", "-1", "+r o+w", "\u0667")),
        ("u+r,", ""),
        ("u+x,z+x", "z+x"),
    ],
)
def test_malformed_modes_are_refused_with_the_clause_at_fault(text: str, clause: str) -> None:
    with pytest.raises(LanguageError) as refused:
        ModeChange.parse(text)
    assert refused.value.message == f"invalid chmod parameter: '{text}': invalid syntax at '{clause}'"
