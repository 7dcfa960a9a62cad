"""The WWW-Authenticate header (RFC 9110, section 11.6.1).

challenges := challenge *( "," challenge )
challenge  := scheme [ parameter *( "," parameter ) ]
parameter  := name "=" ( token | quoted-string )
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

_GAP = re.compile(r"[ \t,]*")
_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PARAMETER = re.compile(rf'({_WORD})\s*=\s*(?:({_WORD})|"((?:[^"\\]|\\.)*)")')
_SCHEME = re.compile(rf"({_WORD})(?=[\s,]|$)")


@dataclass(frozen=True, slots=True)
class Challenge:
    """One way in which a server wants to be shown who asks; scheme and parameters' names in lower case."""

    scheme: str
    parameters: Mapping[str, str]


def parse_challenges(header: str) -> tuple[Challenge, ...]:
    """Read the header's value; what follows a mistake in it is left out."""
    found: list[tuple[str, dict[str, str]]] = []
    position = _after_gap(header, 0)
    while position < len(header):
        match = _PARAMETER.match(header, position)
        if match and found:
            found[-1][1].setdefault(match[1].lower(), _value(match))
        elif match := _SCHEME.match(header, position):
            found.append((match[1].lower(), {}))
        else:
            break
        position = _after_gap(header, match.end())
    return tuple(Challenge(*challenge) for challenge in found)


def _value(parameter: re.Match[str]) -> str:
    return parameter[2] or re.sub(r"\\(.)", r"\1", parameter[3] or "")


def _after_gap(header: str, position: int) -> int:
    gap = _GAP.match(header, position)
    return gap.end() if gap else position
