"""Signals that STOPSIGNAL takes: names of Linux, with or without SIG, in any case, and numbers."""

import re

from yadokari_builder.dockerfile.location import LanguageError

_NUMBERS = {
    "HUP": 1, "INT": 2, "QUIT": 3, "ILL": 4, "TRAP": 5, "ABRT": 6, "IOT": 6, "BUS": 7, "FPE": 8, "KILL": 9,
    "USR1": 10, "SEGV": 11, "USR2": 12, "PIPE": 13, "ALRM": 14, "TERM": 15, "STKFLT": 16, "CHLD": 17,
    "CLD": 17, "CONT": 18, "STOP": 19, "TSTP": 20, "TTIN": 21, "TTOU": 22, "URG": 23, "XCPU": 24, "XFSZ": 25,
    "VTALRM": 26, "PROF": 27, "WINCH": 28, "IO": 29, "POLL": 29, "PWR": 30, "SYS": 31,
}  # fmt: skip
_FIRST_REAL_TIME, _LAST_REAL_TIME = 34, 64
_REAL_TIME = re.compile(r"RT(?:MIN(?:\+([1-9]|1[0-5]))?|MAX(?:-([1-9]|1[0-4]))?)")


def parse(text: str) -> int:
    """Return a signal's number (moby/sys: `signal.ParseSignal`); raises LanguageError.

    Numbers are taken as they are, 0 alone is refused.
    """
    if re.fullmatch(r"[+-]?[0-9]{1,18}", text) and int(text):
        return int(text)
    name = text.upper().removeprefix("SIG")
    if name in _NUMBERS:
        return _NUMBERS[name]
    if match := _REAL_TIME.fullmatch(name):
        if name.startswith("RTMIN"):
            return _FIRST_REAL_TIME + int(match[1] or 0)
        return _LAST_REAL_TIME - int(match[2] or 0)
    raise LanguageError(f"invalid signal: {text}", text)
