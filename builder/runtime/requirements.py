"""Turns uv.lock into what pip reads: exact versions, each with its hashes.

usage: python3 -m runtime.requirements LOCK [EXTRA...] > requirements.txt

So the images need neither uv nor a second list that could drift from the lock.
"""

import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

PROJECT = "yadokari"


def requirements(lock: str, extras: Sequence[str] = ()) -> str:
    """Return the pinned requirements of the project and of these extras of it, in pip's format.

    Raises `ValueError` where the lock holds several versions of a package: markers would have to decide.
    """
    packages: dict[str, Mapping[str, Any]] = {}
    for package in tomllib.loads(lock)["package"]:
        if package["name"] in packages:
            raise ValueError(
                f"{package['name']} is in the lock in several versions: only a marker could tell"
            )
        packages[package["name"]] = package
    wanted = sorted(_needed(packages, extras))
    return "".join(f"{_line(packages[name])}\n" for name in wanted)


def _needed(packages: Mapping[str, Mapping[str, Any]], extras: Sequence[str]) -> set[str]:
    project = packages[PROJECT]
    waiting = [*project.get("dependencies", ())]
    for extra in extras:
        waiting += project["optional-dependencies"][extra]
    found: set[str] = set()
    while waiting:
        dependency = waiting.pop()
        name = dependency["name"]
        package = packages[name]
        for extra in dependency.get("extra", ()):
            waiting += package["optional-dependencies"][extra]
        if name not in found:
            found.add(name)
            waiting += package.get("dependencies", ())
    return found


def _line(package: Mapping[str, Any]) -> str:
    return f"{package['name']}=={package['version']}" + "".join(
        f" --hash={hash_}" for hash_ in sorted(_hashes(package))
    )


def _hashes(package: Mapping[str, Any]) -> Iterator[str]:
    for file in [*package.get("wheels", ()), *([package["sdist"]] if "sdist" in package else ())]:
        yield file["hash"]


def main() -> None:
    """Print the requirements of the lock and the extras that the arguments name."""
    lock, *extras = sys.argv[1:]
    sys.stdout.write(requirements(Path(lock).read_text(), extras))


if __name__ == "__main__":
    main()
