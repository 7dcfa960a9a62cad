"""Text of strangers on a terminal: what it may do there, which is to have colours.

An escape sequence can set a window's title, write the clipboard (OSC 52), move the cursor over what stands
there or ask the terminal a question that it answers as if it had been typed (ECMA-48; xterm's ctlseqs).
"""

import re
from collections.abc import Mapping

RESET = "\x1b[0m"

# The introducers of ECMA-48 in both forms, of two characters and of one (C1). Strings end at their
# terminator or with the text: what is lost then is the stranger's own.
_SEQUENCE = re.compile(
    r"(?P<colour>\x1b\[[0-9;:]*m)"
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"
    r"|(?:\x1b[]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]?"
)
# Beside other control characters those that turn the order of what is written around (Trojan Source).
_CONTROLS = r"\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"
_UNSAFE = re.compile(f"[{_CONTROLS}]")
_MARK = "\N{REPLACEMENT CHARACTER}"


def has_colours(environment: Mapping[str, str], *, is_terminal: bool) -> bool:
    """Tell whether to write in colours: on a terminal, unless variables say otherwise.

    NO_COLOR says never (no-color.org), CLICOLOR_FORCE always (bixense.com/clicolors).
    """
    if environment.get("NO_COLOR"):
        return False
    if environment.get("CLICOLOR_FORCE", "0") not in ("", "0"):
        return True
    return is_terminal and environment.get("TERM") != "dumb"


def harmless(text: str, *, colours: bool = False) -> str:
    """Return text without escape sequences, other control characters replaced; tabs and newlines stay.

    With `colours` those that set colours stay, and are reset at the end of each line.
    """
    if not _UNSAFE.search(text):
        return text
    return "\n".join(_line(line, colours=colours) for line in text.split("\n"))


def _line(line: str, *, colours: bool) -> str:
    if not _UNSAFE.search(line):
        return line
    if not colours:
        return _UNSAFE.sub(_MARK, _SEQUENCE.sub("", line))
    parts: list[str] = []
    end, last = 0, ""
    for found in _SEQUENCE.finditer(line):
        parts.append(_UNSAFE.sub(_MARK, line[end : found.start()]))
        if found["colour"]:
            parts.append(last := found[0])
        end = found.end()
    parts.append(_UNSAFE.sub(_MARK, line[end:]))
    return "".join(parts) + (RESET if last and last not in (RESET, "\x1b[m") else "")
