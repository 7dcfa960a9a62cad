import shutil
import subprocess
from pathlib import Path

import pytest

from yadokari_builder.dockerfile.chmod import ModeChange
from yadokari_builder.dockerfile.location import LanguageError

SYMBOLIC = (
    *("u=rwX,go=rX", "a+x", "+x", "go-w", "u+s,g+s", "+t", "u=g"),
    *("g+u", "a=r", "u+x-w", "=", "-x", "a-X"),
)


@pytest.mark.skipif(not shutil.which("chmod"), reason="there is no chmod to compare with")
@pytest.mark.parametrize("mode", [0o644, 0o600, 0o755, 0o4711, 0o000])
@pytest.mark.parametrize("is_directory", [False, True])
@pytest.mark.parametrize("change", SYMBOLIC)
def test_symbolic_modes_do_what_chmod_does(
    change: str, mode: int, is_directory: bool, tmp_path: Path
) -> None:
    path = tmp_path / "x"
    path.mkdir() if is_directory else path.touch()
    path.chmod(mode)
    subprocess.run(["chmod", "--", change, str(path)], check=True, umask=0)
    expected = path.stat().st_mode & 0o7777
    path.chmod(0o700)
    if not (is_directory and mode & 0o7000):  # GNU chmod keeps a directory's set-ID bits
        assert oct(ModeChange.parse(change).apply(mode, is_directory=is_directory)) == oct(expected)


def test_others_have_no_sticky_bit_and_no_set_id_bits() -> None:
    # As BSD and BuildKit have it; GNU chmod sets the sticky bit.
    assert ModeChange.parse("o+st").apply(0o644) == 0o644


def test_an_octal_mode_is_the_mode() -> None:
    assert ModeChange.parse("4755").apply(0o100600) == 0o4755
    assert ModeChange.parse("4755").octal == 0o4755


@pytest.mark.parametrize("text", ["8", "10000", "07778", "1" * 100])
def test_numbers_out_of_range_are_refused_in_buildkits_words(text: str) -> None:
    with pytest.raises(LanguageError) as refused:
        ModeChange.parse(text)
    assert refused.value.message == (
        f"invalid chmod parameter: '{text}'. it should be octal string and between 0 and 07777"
    )


@pytest.mark.parametrize("text", ["", "u", "x", "u+y", "u+r,", "u~r", "+r o+w"])
def test_malformed_modes_are_refused(text: str) -> None:
    with pytest.raises(LanguageError, match="invalid syntax"):
        ModeChange.parse(text)
