"""Drawing on a terminal, over what was drawn before.

Nothing of the terminal's state is changed for longer than one write: whatever ends the plugin, and however,
there is nothing to put right. Lines that are too long after all, since terminals differ about the width of
characters, are cut by the terminal meanwhile and do not wrap.
"""

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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
    _resized: bool = False

    @property
    def size(self) -> Size:
        """How large it is now."""
        size = os.get_terminal_size(self.stream.fileno())
        return Size(size.columns or 80, size.lines or 24)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Notice meanwhile when it gets another size; in the main thread alone."""
        former = signal.signal(signal.SIGWINCH, self._on_resize)
        try:
            yield
        finally:
            signal.signal(signal.SIGWINCH, former)

    def draw(self, lines: Sequence[str]) -> None:
        """Put lines in the place of those that were drawn last."""
        # Nobody knows how a terminal of another size has broken the former lines anew.
        start = _CLEAR_ALL if self._resized else f"\x1b[{self._drawn}A" if self._drawn else ""
        self._resized = False
        body = "".join(f"{line}{_CLEAR_LINE}\n" for line in lines)
        self.stream.write(f"{_NO_WRAP}\r{start}{body}{_CLEAR_BELOW}{_WRAP}")
        self.stream.flush()
        self._drawn = len(lines)

    def _on_resize(self, *_: object) -> None:
        self._resized = True
