"""Bytes that are no UTF-8: they are read as lone surrogates (surrogateescape), and survive where they may."""

import re

NO_UTF8 = re.compile("[\udc80-\udcff]")
"""One such byte."""

_UTF16 = re.compile("\udcff\udcfe|\udcfe\udcff|\0[\1-\x7f]\0|[\1-\x7f]\0[\1-\x7f]")
"""How a text in UTF-16 begins, read as UTF-8: with a byte order mark, or each second byte a NUL."""


def as_characters(text: str) -> str:
    """Return `text` with the replacement character for each such byte, as Go's scanners read it."""
    return NO_UTF8.sub("\ufffd", text)


def blaming_encoding(message: str, text: str) -> str:
    """Return an error's message, with the encoding to blame where the text that is wrong is no UTF-8."""
    if _UTF16.match(text):
        return "the file is in UTF-16; save it as UTF-8"
    if byte := NO_UTF8.search(text):
        line = text.count("\n", 0, byte.start()) + 1
        return f"{message} (line {line} is no UTF-8, but Latin-1 perhaps: save the file as UTF-8)"
    return message
