"""Stands in for kubectl where no cluster stops at a line: a build's log that waits for its test.

It plays what is in a folder: `build.json`, the ImageBuild as it is, and `log-POD`, where a line `@NAME` makes
a file `NAME.reached` and waits for one of that name, and a line `!` is where the connection breaks, until it
is asked for what came since. A pod runs while there is a file of its name.
"""

import json
import os
import sys
import time
from pathlib import Path

_LONGEST = 60


def main(folder: Path, words: list[str]) -> int:
    """Answer as kubectl does."""
    match words[0]:
        case "get" if "--watch" in words:
            seen = b""
            while True:
                data = (folder / "build.json").read_bytes()
                if data != seen:
                    _say(json.dumps({"type": "MODIFIED", "object": json.loads(data)}))
                    seen = data
                time.sleep(0.02)
        case "get" if words[1] == "pod":
            phase = "Running" if (folder / words[2]).exists() else "Succeeded"
            _say(json.dumps({"status": {"phase": phase}}))
        case "get":
            _say((folder / "build.json").read_text())
        case "logs":
            is_first = not any(word.startswith("--since-time=") for word in words)
            log = folder / f"log-{words[1]}"
            for number, line in enumerate(log.read_text().split("\n")[:-1]):
                if line == "!" and is_first:
                    return 0
                if line.startswith("@"):
                    _wait_for(folder / line[1:])
                elif line != "!":
                    _say(f"{_stamp(log, number)} {line}")
        case _:
            sys.stderr.write(f"error: unknown command {words[0]!r}\n")
            return 1
    return 0


def _stamp(log: Path, number: int) -> str:
    """Tell when a line was written: for each line it is always the same."""
    time_ns = log.stat().st_mtime_ns + number
    return f"{time.strftime('%FT%T', time.gmtime(time_ns // 10**9))}.{time_ns % 10**9:09}Z"


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _wait_for(file: Path) -> None:
    file.with_name(f"{file.name}.reached").touch()
    end = time.monotonic() + _LONGEST
    while not file.exists() and time.monotonic() < end:
        time.sleep(0.02)


if __name__ == "__main__":
    sys.exit(main(Path(os.environ["PLAYED"]), sys.argv[1:]))
