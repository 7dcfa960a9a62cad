"""Cases as they are read, and their build contexts laid out."""

import base64
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Case:
    """One case; `spec` is its expect.json."""

    folder: Path
    spec: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.name

    @property
    def expected(self) -> Mapping[str, Any]:
        """What must come of it."""
        expected: Mapping[str, Any] = self.spec["expect"]
        return expected

    @property
    def fails(self) -> bool:
        """Whether the build is to fail."""
        return bool(self.expected.get("build", "ok") == "fail")

    def lay_out(self, folder: Path) -> None:
        """Make the build context; modes, owners, times and links are those of context.json."""
        entries: Sequence[Mapping[str, Any]] = json.loads((self.folder / "context.json").read_text())
        folder.mkdir(parents=True)
        for entry in entries:
            path = folder / entry["path"]
            path.parent.mkdir(parents=True, exist_ok=True)
            _make(entry, path, folder)
            os.lchown(path, entry.get("uid", 0), entry.get("gid", 0))
        # Folders last: what is put into them changes their times.
        for entry in sorted(entries, key=lambda entry: entry["type"] == "dir"):
            if "mtime" in entry:
                os.utime(folder / entry["path"], (entry["mtime"],) * 2, follow_symlinks=False)


def find_cases(folder: Path) -> list[Case]:
    """Return the cases in a folder, by name."""
    files = sorted(folder.glob("*/expect.json"))
    return [Case(file.parent, json.loads(file.read_text())) for file in files]


def _make(entry: Mapping[str, Any], path: Path, context: Path) -> None:
    match entry["type"]:
        case "symlink":
            path.symlink_to(entry["target"])
            return
        case "hardlink":
            path.hardlink_to(context / entry["target"])
            return
        case "dir":
            path.mkdir(exist_ok=True)
        case "fifo":
            os.mkfifo(path)
        case _:
            content = base64.b64decode(entry["b64"]) if "b64" in entry else entry.get("content", "").encode()
            path.write_bytes(content)
    path.chmod(int(entry.get("mode", "0755" if entry["type"] == "dir" else "0644"), 8))
