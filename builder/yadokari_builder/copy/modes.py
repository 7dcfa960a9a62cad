"""Modes that --chmod asks for: octal, or symbolic as in chmod(1).

    mode   := octal | clause { "," clause }
    clause := { "u" | "g" | "o" | "a" } op { op }
    op     := ( "+" | "-" | "=" ) ( { "r" | "w" | "x" | "X" | "s" | "t" } | "u" | "g" | "o" )

BuildKit reads them as BSD's setmode(3), with no umask: a clause that names nobody is for everybody.
"""

import re
import stat
from dataclasses import dataclass

from yadokari_builder.errors import DockerfileError

_MAX_OCTAL = 0o7777
_ALL = 0o6777
_WHO = {"u": 0o4700, "g": 0o2070, "o": 0o0007, "a": _ALL}
_PERMISSIONS = {"r": 0o444, "w": 0o222, "x": 0o111, "s": 0o6000, "t": 0o1000}
_SHIFT = {"u": 6, "g": 3, "o": 0}
_CLAUSE = re.compile(r"([ugoa]*)((?:[-+=][rwxXstugo]*)+)")
_OPERATION = re.compile(r"([-+=])([rwxXstugo]*)")


@dataclass(frozen=True, slots=True)
class _Operation:
    who: str
    operator: str
    letters: str

    def apply(self, mode: int, original: int) -> int:
        """Change `mode`; X asks what `original`, with its file type, was."""
        mask = _mask(self.who)
        bits = self._bits(mode, original)
        if "t" in self.letters and (not self.who or set(self.who) != {"o"}):
            mask |= stat.S_ISVTX
        if self.operator == "-":
            return mode & ~(bits & mask)
        if self.operator == "=":
            mode &= ~_mask(self.who)
        return mode | (bits & mask)

    def _bits(self, mode: int, original: int) -> int:
        bits = 0
        for letter in self.letters:
            if letter in _SHIFT:
                bits |= ((mode >> _SHIFT[letter]) & 0o7) * 0o111
            elif letter != "X":
                bits |= _PERMISSIONS[letter]
            elif self.operator == "-" or original & 0o111 or stat.S_ISDIR(original):
                bits |= _PERMISSIONS["x"]
        return bits


def _mask(who: str) -> int:
    mask = 0
    for letter in who or "a":
        mask |= _WHO[letter]
    return mask


@dataclass(frozen=True, slots=True)
class Chmod:
    """A change of modes: `octal` for all alike, or operations on what each file has."""

    octal: int | None
    operations: tuple[_Operation, ...] = ()

    @property
    def parents(self) -> int:
        """The mode of folders made on the way to the destination; symbolic modes leave them alone."""
        return 0o755 if self.octal is None else self.octal & 0o777

    def apply(self, mode: int) -> int:
        """Return the permission bits for a file of `mode` (st_mode, with its type)."""
        if self.octal is not None:
            return self.octal
        result = mode & _MAX_OCTAL
        for operation in self.operations:
            result = operation.apply(result, mode)
        return result


def parse_chmod(text: str) -> Chmod | None:
    """Read the value of --chmod; nothing is asked for by an empty one. Raises DockerfileError."""
    if not text:
        return None
    if text[0].isdigit():
        if not re.fullmatch("[0-7]+", text) or int(text, 8) > _MAX_OCTAL:
            raise DockerfileError(
                f"invalid chmod parameter: '{text}'. it should be octal string and between 0 and 07777"
            )
        return Chmod(int(text, 8))
    operations: list[_Operation] = []
    for clause in text.split(","):
        match = _CLAUSE.fullmatch(clause)
        if not match:
            raise DockerfileError(f"invalid chmod parameter: '{text}': invalid syntax at '{clause}'")
        operations += [_Operation(match[1], op, letters) for op, letters in _OPERATION.findall(match[2])]
    return Chmod(None, tuple(operations))
