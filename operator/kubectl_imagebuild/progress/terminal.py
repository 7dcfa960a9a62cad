"""Drawing on a terminal, over what was drawn before.

Nothing of the terminal's state is changed for longer than one write: whatever ends the plugin, and however,
there is nothing to put right. Lines that are too long after all, since terminals differ about the width of
characters, are cut by the terminal meanwhile and do not wrap.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TextIO

from kubectl_imagebuild.progress.screen import Size

_NO_WRAP, _WRAP = "\x1b[?7l", "\x1b[?7h"
_CLEAR_LINE, _CLEAR_BELOW, _CLEAR_ALL = "\x1b[K", "\x1b[J", "\x1b[2J\x1b[H"


@dataclass(slots=True)
class Terminal:
    """A terminal; `stream` writes to it."""

    stream: TextIO
    _drawn: int = 0
    _size: Size | None = None

    @property
    def size(self) -> Size:
        """How large it is now."""
        size = os.get_terminal_size(self.stream.fileno())
        return Size(size.columns or 80, size.lines or 24)

    def draw(self, lines: Sequence[str], size: Size) -> None:
        """Put lines, made for a terminal of that size, in the place of those that were drawn last."""
        # Nobody knows how a terminal that has another size by now has broken the former lines anew.
        is_resized = self._size not in (None, size)
        start = _CLEAR_ALL if is_resized else f"\x1b[{self._drawn}A" if self._drawn else ""
        body = "".join(f"{line}{_CLEAR_LINE}\n" for line in lines)
        self.stream.write(f"{_NO_WRAP}\r{start}{body}{_CLEAR_BELOW}{_WRAP}")
        self.stream.flush()
        self._drawn, self._size = len(lines), size
