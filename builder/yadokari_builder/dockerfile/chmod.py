"""Modes that --chmod takes: octal (`0755`) and symbolic (`u=rwX,go-w`, chmod(1))."""

import re
from dataclasses import dataclass

from yadokari_builder.dockerfile.location import LanguageError

_SET_UID, _SET_GID, _STICKY = 0o4000, 0o2000, 0o1000
_READ, _WRITE, _EXECUTE = 0o444, 0o222, 0o111
_WHO = {"u": _SET_UID | 0o700, "g": _SET_GID | 0o070, "o": 0o007, "a": _SET_UID | _SET_GID | 0o777}
_SHIFT = {"u": 6, "g": 3, "o": 0}
_CLAUSE = re.compile(r"([augo]*)((?:[-+=][rwxXstugo]*)+)")
_ACTION = re.compile(r"([-+=])([rwxXstugo]*)")


@dataclass(frozen=True, slots=True)
class _Action:
    """One operator of a symbolic mode: `who` are the bits that it may touch, 0 if nobody was named."""

    who: int
    operator: str
    permissions: str

    def apply(self, mode: int, *, original: int, is_directory: bool) -> int:
        who = self.who or 0o7777 & ~_STICKY
        touched = who | (_STICKY if "t" in self.permissions and who & ~0o007 else 0)
        given = self._bits(mode, original, is_directory) & touched
        if self.operator == "+":
            return mode | given
        if self.operator == "-":
            return mode & ~given
        return mode & ~touched | given

    def _bits(self, mode: int, original: int, is_directory: bool) -> int:
        bits = 0
        for permission in self.permissions:
            match permission:
                case "r":
                    bits |= _READ
                case "w":
                    bits |= _WRITE
                case "x":
                    bits |= _EXECUTE
                case "X" if is_directory or original & _EXECUTE or self.operator == "-":
                    bits |= _EXECUTE
                case "s":
                    bits |= _SET_UID | _SET_GID
                case "t":
                    bits |= _STICKY
                case "u" | "g" | "o":
                    bits |= (mode >> _SHIFT[permission] & 0o7) * 0o111
        return bits


@dataclass(frozen=True, slots=True)
class ModeChange:
    """What --chmod makes of a mode; `octal` is the mode itself where it is given in digits."""

    octal: int | None
    actions: tuple[_Action, ...] = ()

    @classmethod
    def parse(cls, text: str) -> "ModeChange":
        """Read a mode; raises LanguageError."""
        if re.fullmatch("[0-7]{1,20}", text) and int(text, 8) <= 0o7777:
            return cls(int(text, 8))
        if text[:1].isdecimal():
            raise LanguageError(
                f"invalid chmod parameter: '{text}'. it should be octal string and between 0 and 07777", text
            )
        actions: list[_Action] = []
        for clause in text.split(","):
            match = _CLAUSE.fullmatch(clause)
            if not match:
                raise LanguageError("invalid syntax", text)
            who = 0
            for letter in match[1]:
                who |= _WHO[letter]
            actions += (_Action(who, *action) for action in _ACTION.findall(match[2]))
        return cls(None, tuple(actions))

    def apply(self, mode: int, *, is_directory: bool = False) -> int:
        """Return the permission bits (0 to 07777) that a file of `mode` gets."""
        if self.octal is not None:
            return self.octal
        changed = original = mode & 0o7777
        for action in self.actions:
            changed = action.apply(changed, original=original, is_directory=is_directory)
        return changed
