"""`copy-runtime FOLDER`: fills a volume that is mounted where the runtime is, read-only for steps."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from yadokari_builder.command import report
from yadokari_builder.command.failures import exit_code
from yadokari_builder.errors import UsageError
from yadokari_contract.runtime import HOME, WRITTEN


def run(arguments: Sequence[str], root: Path, log: TextIO) -> int:
    """Copy the runtime in `root` into a folder that is there and empty; returns the exit code."""

    def copy() -> None:
        match arguments:
            case [folder] if not folder.startswith("-"):
                _copy(root / HOME.lstrip("/"), Path(folder))
            case _:
                raise UsageError("copy-runtime takes one folder: copy-runtime FOLDER")

    report.configure(log, "info", "text")
    return exit_code(copy)


def _copy(runtime: Path, folder: Path) -> None:
    """Copy all but what builds write, for which there are empty folders to mount volumes at."""

    def written_by_builds(place: str, names: list[str]) -> set[str]:
        return {name for name in names if place == str(runtime) and name in WRITTEN}

    try:
        if os.listdir(folder):
            raise UsageError(
                f"{folder} is not empty: copy-runtime takes an empty folder, such as an emptyDir"
            )
        shutil.copytree(runtime, folder, symlinks=True, ignore=written_by_builds, dirs_exist_ok=True)
        for name in WRITTEN:
            (folder / name).mkdir()
    except OSError as error:
        raise UsageError(f"the runtime cannot be copied to {folder}: {error.strerror or error}") from None
