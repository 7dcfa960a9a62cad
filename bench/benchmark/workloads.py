"""The workloads: a Dockerfile each, and a context where one is needed."""

import random
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "workloads"
_FILES = 10_000
_BYTES = 20_000
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


def names() -> list[str]:
    """List the workloads there are."""
    return sorted(path.name.partition(".")[0] for path in FOLDER.glob("*.Dockerfile"))


def prepare(wanted: Iterable[str], folder: Path) -> list[Workload]:
    """Write the contexts of workloads into `folder`."""
    return [_prepare(name, folder / name) for name in wanted]


def _prepare(name: str, context: Path) -> Workload:
    text = (FOLDER / f"{name}.Dockerfile").read_text()
    context.mkdir(parents=True)
    if "COPY . " in text:
        _write_files(context)
    (context / "Dockerfile").write_text(text)
    return Workload(name, text.partition("\n")[0].strip("# ."), context)


def _write_files(context: Path) -> None:
    """Write files of which every second is random and every second text, the same every time."""
    chance = random.Random("bench")  # noqa: S311
    for number in range(_FILES):
        folder = context / f"{number // 100:02}"
        folder.mkdir(exist_ok=True)
        random_bytes = chance.randbytes(_BYTES)
        text = " ".join(chance.choices(_WORDS, k=_BYTES // 7)).encode()[:_BYTES]
        (folder / f"{number % 100:02}").write_bytes(random_bytes if number % 2 else text)
