"""What dataclasses generate is compiled when the image is made, and not at each start."""

import subprocess
import sys
from pathlib import Path

import pytest

from support.pod import run_pod, why_no_containers

# Python tells of what it compiles (sys.addaudithook); a module that has bytecode is not among it.
COUNTED = """
import sys
generated = []
sys.addaudithook(
    lambda event, given: event == "compile" and b"__create_fn__" in (given[0] or b"") and generated.append(1)
)
from pathlib import Path
from yadokari_builder.generated import compiled, recorded
with {context}:
    import yadokari_builder.command.build
print(len(generated))
from yadokari_builder.oci.platform import Platform
assert Platform("linux", "arm64") == Platform("linux", "arm64") != Platform("linux", "amd64")
try:
    Platform("linux", "arm64").os = "other"
except AttributeError:
    print(Platform("linux", "arm64"))
"""


def count(context: str) -> tuple[int, str]:
    """Return how much of dataclasses was compiled, and what one of them is written as."""
    script = COUNTED.replace("{context}", context)
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    number, written = done.stdout.splitlines()
    return int(number), written


def test_what_was_recorded_is_not_compiled_again(tmp_path: Path) -> None:
    file = tmp_path / "generated.code"
    recorded = count(f"recorded(Path({str(file)!r}))")
    assert recorded[0] > 1000
    assert count(f"compiled(Path({str(file)!r}))") == (0, recorded[1])


def test_without_a_record_all_is_compiled(tmp_path: Path) -> None:
    assert count(f"compiled(Path({str(tmp_path / 'none')!r}))")[0] > 1000


def test_the_same_code_makes_the_same_record(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for file in (one, other):
        count(f"recorded(Path({str(file)!r}))")
    assert one.read_bytes() == other.read_bytes()


@pytest.mark.pod
@pytest.mark.skipif(why_no_containers() is not None, reason=str(why_no_containers()))
def test_the_image_has_the_record() -> None:
    script = COUNTED.replace("{context}", "compiled()")
    done = run_pod(["-ISBXutf8", "-c", script], entrypoint="/yadokari/bin/python3", image="executor")
    assert done.output.splitlines()[0] == "0"
