"""What dataclasses write when they are defined, compiled when the image was made.

Their methods are written as text and compiled each time that a program starts: a quarter of a build's start.
"""

import dataclasses
import hashlib
import marshal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_FILE = Path(__file__).with_name("generated.code")
# Without references the same code always makes the same bytes.
_MARSHAL_VERSION = 2

Execute = Callable[[str, dict[str, Any], dict[str, Any]], None]


@contextmanager
def compiled(file: Path = _FILE) -> Iterator[None]:
    """Have dataclasses take what `recorded` wrote into a file; without one they compile all themselves."""
    try:
        known = marshal.loads(file.read_bytes())  # noqa: S302 as trusted as our bytecode beside it
    except FileNotFoundError:
        yield
        return

    def execute(text: str, names: dict[str, Any], into: dict[str, Any]) -> None:
        exec(known.get(_key(text), text), names, into)  # noqa: S102 as the module itself does

    with _executing(execute):
        yield


@contextmanager
def recorded(file: Path = _FILE) -> Iterator[None]:
    """Write into a file what the dataclasses write that are defined meanwhile, compiled."""
    known = {}

    def execute(text: str, names: dict[str, Any], into: dict[str, Any]) -> None:
        code = known[_key(text)] = compile(text, "<dataclass>", "exec")
        exec(code, names, into)  # noqa: S102

    with _executing(execute):
        yield
    file.write_bytes(marshal.dumps(known, _MARSHAL_VERSION))


def _key(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


@contextmanager
def _executing(execute: Execute) -> Iterator[None]:
    # A module's own name comes before a builtin one.
    dataclasses.exec = execute  # type: ignore[attr-defined]
    try:
        yield
    finally:
        del dataclasses.exec  # type: ignore[attr-defined]
