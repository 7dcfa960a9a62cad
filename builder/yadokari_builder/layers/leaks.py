"""Values that belong into no layer, looked for in the archive while it is packed.

A value is found as it is, and in base64 wherever in what is encoded it stands, also in lines of 76 characters
as `base64` writes them. What has been encrypted or compressed by the step is not found.
"""

import base64
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

_SHORTEST = 8
"""Bytes of a value that is no coincidence."""
_LONGEST = 4096
"""Bytes of a value that are looked for: more need not be held of what went by."""
_LINE = 76
_MOST_NAMED = 4


@dataclass(frozen=True, slots=True)
class Sought:
    """What is looked for: byte strings by the id of the secret that they tell; no text of it shows them."""

    needles: Mapping[str, frozenset[bytes]] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, secrets: Mapping[str, bytes]) -> "Sought":
        """Look for the values of secrets, but for those that are too short to mean something.

        What a shell takes off when it reads a value, blanks and newlines at its ends, may be missing.
        """
        values = {name: value.strip() for name, value in secrets.items()}
        return cls({name: _forms(value) for name, value in values.items() if len(value) >= _SHORTEST})

    def search(self) -> "Search | None":
        """Begin to look through an archive; None where nothing is looked for."""
        return Search(self.needles) if self.needles else None


NOTHING = Sought()


class Search:
    """Looks through one archive that comes in pieces of any size.

    `found` names, by the secret's id, the first members that hold its value.
    """

    def __init__(self, needles: Mapping[str, frozenset[bytes]]) -> None:
        self._needles = needles
        self._kept = max(len(needle) for forms in needles.values() for needle in forms) - 1
        self._tail = b""
        self._passed = 0
        self._starts: list[int] = []
        self._names: list[str] = []
        self.found: dict[str, list[str]] = {}

    def begin(self, name: str, offset: int) -> None:
        """Tell that a member begins at an offset of the archive; before that is fed."""
        self._starts.append(offset)
        self._names.append(name)

    def feed(self, data: bytearray, size: int) -> None:
        """Look through the next piece, the first `size` bytes of `data`."""
        border = self._tail + data[: min(size, self._kept)]
        self._look(border, len(border), self._passed - len(self._tail))
        self._look(data, size, self._passed)
        self._passed += size
        self._tail = (self._tail + data[max(0, size - self._kept) : size])[-self._kept :]
        self._forget()

    def _look(self, data: "bytes | bytearray", size: int, offset: int) -> None:
        for name, forms in self._needles.items():
            for needle in forms:
                at = data.find(needle, 0, size)
                while at >= 0:
                    at = data.find(needle, self._note(name, offset + at) - offset, size)

    def _note(self, name: str, offset: int) -> int:
        """Note where a value was found; returns where the next member begins."""
        place = bisect_right(self._starts, offset) - 1
        names = self.found.setdefault(name, [])
        if self._names[place] not in names and len(names) < _MOST_NAMED:
            names.append(self._names[place])
        following = self._starts[place + 1 : place + 2]
        return following[0] if following else self._passed + (1 << 62)

    def _forget(self) -> None:
        """Forget members that are over."""
        over = max(0, bisect_right(self._starts, self._passed - len(self._tail)) - 1)
        del self._starts[:over], self._names[:over]


def _forms(value: bytes) -> frozenset[bytes]:
    return frozenset(form[:_LONGEST] for form in (value, *_encoded(value)))


def _encoded(value: bytes) -> Iterator[bytes]:
    """Yield a value in base64 (RFC 4648), for each of the places in three bytes at which it may begin."""
    for place in range(3):
        whole = base64.b64encode(bytes(place) + value).rstrip(b"=")
        # The first and the last of the characters are of neighbours, too.
        first = (0, 2, 3)[place]
        last = len(whole) - ((place + len(value)) % 3 != 0)
        yield whole[first:last]
        yield whole[first:last].translate(bytes.maketrans(b"+/", b"-_"))
        if place == 0 and last > _LINE:
            yield b"\n".join(whole[start : min(start + _LINE, last)] for start in range(0, last, _LINE))
