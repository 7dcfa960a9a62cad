"""Modes that --chmod asks for: octal, or symbolic as in chmod(1).

    mode      := octal | clause { "," clause }
    clause    := { "u" | "g" | "o" | "a" } operation { operation }
    operation := ( "+" | "-" | "=" ) { "r" | "w" | "x" | "X" | "s" | "t" | "u" | "g" | "o" }

BuildKit reads them as BSD's setmode(3) does, with no umask: a clause that names nobody is for everybody. It
differs from GNU where letters that copy stand beside others (`u=gr` is `u=r`), and where `t` follows nobody
(`+rt` is `+t`).
"""

import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass

from yadokari_builder.dockerfile.location import LanguageError

_MAX_OCTAL = 0o7777
_EVERYBODY = 0o6777
_OTHERS = 0o0007
_STICKY = 0o1000
_SET_IDS = 0o6000
_EXECUTE = 0o111
_WHO = {"u": 0o4700, "g": 0o2070, "o": _OTHERS, "a": _EVERYBODY}
_PERMISSIONS = {"r": 0o444, "w": 0o222, "x": _EXECUTE}
_SHIFT = {"u": 6, "g": 3, "o": 0}
_CLAUSE = re.compile(r"([ugoa]*)((?:[-+=][rwxXstugo]*)+)")
_OPERATION = re.compile(r"([-+=])([rwxXstugo]*)")


@dataclass(frozen=True, slots=True)
class _Bits:
    """Sets (`+`) or clears (`-`) bits; `X` sets them where something may be executed, or on a folder."""

    operator: str
    bits: int

    def apply(self, mode: int, original: int) -> int:
        if self.operator == "-":
            return mode & ~self.bits
        if self.operator == "X" and not (original & _EXECUTE or stat.S_ISDIR(original)):
            return mode
        return mode | self.bits


@dataclass(frozen=True, slots=True)
class _Copy:
    """Takes the permissions of one (`source`: u, g or o) over to those whose bits `targets` has."""

    operator: str
    source: str
    targets: int

    def apply(self, mode: int, _original: int) -> int:
        given = (mode >> _SHIFT[self.source] & 0o7) * 0o111 & self.targets
        if self.operator == "-":
            return mode & ~given
        if self.operator == "=":
            mode &= ~self.targets
        return mode | given


_Step = _Bits | _Copy


@dataclass(frozen=True, slots=True)
class ModeChange:
    """A change of modes: `octal` for all alike, or steps from the mode that each file has."""

    octal: int | None
    steps: tuple[_Step, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "ModeChange":
        """Read the value of --chmod; raises LanguageError."""
        if re.match("[0-9]", text):
            if not re.fullmatch("[0-7]+", text) or int(text, 8) > _MAX_OCTAL:
                raise LanguageError(
                    f"invalid chmod parameter: '{text}'. it should be octal string and between 0 and 07777",
                    text,
                )
            return cls(int(text, 8))
        steps: list[_Step] = []
        for clause in text.split(","):
            match = _CLAUSE.fullmatch(clause)
            if not match:
                raise LanguageError(f"invalid chmod parameter: '{text}': invalid syntax at '{clause}'", text)
            who = 0
            for letter in match[1]:
                who |= _WHO[letter]
            for operator, letters in _OPERATION.findall(match[2]):
                steps += _read_operation(who, operator, letters)
        return cls(None, tuple(steps))

    @property
    def parents(self) -> int:
        """The mode of folders made on the way to the destination; symbolic modes leave them alone."""
        return 0o755 if self.octal is None else self.octal & 0o777

    def apply(self, mode: int) -> int:
        """Return the permission bits (0 to 07777) for a file of `mode` (st_mode, with its type)."""
        if self.octal is not None:
            return self.octal
        changed = mode & _MAX_OCTAL
        for step in self.steps:
            changed = step.apply(changed, mode)
        return changed


def _read_operation(who: int, operator: str, letters: str) -> Iterator[_Step]:
    """Yield the steps of one operation; `who` are the bits of those that it names, 0 for nobody."""
    given = executable = 0
    copies = False
    for letter in letters:
        if letter in _SHIFT:
            # What stands before a copy is done before it; `=` then clears it again.
            yield from _given(who, operator, given, executable)
            given = executable = 0
            copies = True
            targets = sum(0o7 << shift for shift in _SHIFT.values() if not who or who & 0o4 << shift)
            yield _Copy(operator, letter, targets)
        elif letter == "X" and operator != "-":
            executable = _EXECUTE
        elif letter == "s":
            given |= 0 if _is_others(who) else _SET_IDS
        elif letter == "t":
            given |= 0 if _is_others(who) else _STICKY
            who |= 0 if _is_others(who) else _STICKY
        else:
            given |= _PERMISSIONS[letter.lower()]
    yield from _given(who, operator, given, executable, clears=operator == "=" and not copies)


def _given(who: int, operator: str, given: int, executable: int, *, clears: bool = False) -> Iterator[_Step]:
    if operator == "=" and (given or clears):
        yield _Bits("-", who or _EVERYBODY)
    if given:
        yield _Bits("-" if operator == "-" else "+", given & (who or _MAX_OCTAL))
    if executable:
        yield _Bits("X", executable & (who or _MAX_OCTAL))


def _is_others(who: int) -> bool:
    """Tell whether others alone are named, who have no set-ID bits and no sticky bit."""
    return bool(who) and not who & ~_OTHERS
