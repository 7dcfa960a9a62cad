"""Stands in for kubectl where no cluster stops at a line: a build's log that waits for its test.

It plays what is in a folder: `build.json`, the ImageBuild as it is; `log`, where a line `@NAME` waits for a
file of that name. The ImageBuild is looked at again once the log is at its end, as a watch would tell it.
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
            _say(json.dumps({"status": {"phase": "Succeeded"}}))
        case "get":
            _say((folder / "build.json").read_text())
        case "logs":
            for line in (folder / "log").read_text("utf-8", "surrogateescape").split("\n")[:-1]:
                if line.startswith("@"):
                    _wait_for(folder / line[1:])
                else:
                    _say(f"{time.strftime('%FT%T', time.gmtime())}.{time.time_ns() % 10**9:09}Z {line}")
        case _:
            sys.stderr.write(f"error: unknown command {words[0]!r}\n")
            return 1
    return 0


def _say(line: str) -> None:
    sys.stdout.buffer.write(f"{line}\n".encode("utf-8", "surrogateescape"))
    sys.stdout.buffer.flush()


def _wait_for(file: Path) -> None:
    end = time.monotonic() + _LONGEST
    while not file.exists() and time.monotonic() < end:
        time.sleep(0.02)


if __name__ == "__main__":
    sys.exit(main(Path(os.environ["PLAYED"]), sys.argv[1:]))
