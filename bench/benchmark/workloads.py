"""The workloads: a Dockerfile each, and a context where one is needed."""

import random
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "workloads"
_SIZES = {"MB": 10**6, "GB": 10**9}
_WORDS = [f"{word}{number}" for word in ("crab", "shell", "shore", "tide") for number in range(500)]


@dataclass(frozen=True, slots=True)
class Workload:
    """A build to measure: its name, what it is about, and where its context is."""

    name: str
    title: str
    context: Path

    @property
    def dockerfile(self) -> Path:
        """The Dockerfile; it is in the context."""
        return self.context / "Dockerfile"

    @property
    def base(self) -> str:
        """The image that its first stage starts from, as the registry has it."""
        name = re.search(r"^FROM (\S+)", self.dockerfile.read_text(), re.MULTILINE)
        assert name
        return name[1] if "/" in name[1] else f"library/{name[1]}"


def names() -> list[str]:
    """List the workloads that are built unless others are asked for."""
    return sorted(path.name.partition(".")[0] for path in FOLDER.glob("*.Dockerfile"))


def large_names() -> list[str]:
    """List those that take gigabytes of memory, and are built only where they are asked for."""
    return sorted(path.name.partition(".")[0] for path in FOLDER.glob("large/*.Dockerfile"))


def prepare(wanted: Iterable[str], folder: Path) -> list[Workload]:
    """Write the contexts of workloads into `folder`."""
    return [_prepare(name, folder / name) for name in wanted]


def _prepare(name: str, context: Path) -> Workload:
    (recipe,) = FOLDER.rglob(f"{name}.Dockerfile")
    text = recipe.read_text()
    context.mkdir(parents=True)
    if "COPY . " in text:
        _write_files(context, *_measures(text.partition("\n")[0]))
    (context / "Dockerfile").write_text(text)
    return Workload(name, text.partition("\n")[0].strip("# ."), context)


def _measures(title: str) -> tuple[int, int]:
    """Read from a title how many files there are, and how many bytes each has."""
    files = re.search(r"([\d,]+) files", title)
    size = re.search(r"(\d+) ([MG]B)", title)
    assert files
    assert size
    number = int(files[1].replace(",", ""))
    return number, int(size[1]) * _SIZES[size[2]] // number


def _write_files(context: Path, files: int, size: int) -> None:
    """Write files of which every second is random and every second text, the same every time."""
    chance = random.Random("bench")  # noqa: S311
    for number in range(files):
        folder = context / f"{number // 100:02}"
        folder.mkdir(exist_ok=True)
        random_bytes = chance.randbytes(size)
        text = " ".join(chance.choices(_WORDS, k=size // 7)).encode()[:size]
        (folder / f"{number % 100:02}").write_bytes(random_bytes if number % 2 else text)
