"""Text as it may be shown: in double quotes, as Go's `%q` writes it in messages and history, or without."""

_ESCAPES = {
    '"': '\\"',
    "\\": "\\\\",
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
}


def quote(text: str) -> str:
    """Return `text` in double quotes with escapes (Go: `strconv.Quote`)."""
    return f'"{"".join(map(_escape, text))}"'


def quote_all(texts: tuple[str, ...]) -> str:
    """Return the quoted texts in brackets, apart by spaces (Go: `%q` of a slice)."""
    return f"[{' '.join(map(quote, texts))}]"


def printable(text: str) -> str:
    """Return `text` with what no terminal should get as an escape; tabs stay."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        character if character == "\t" or character.isprintable() else _escape(character)
        for character in text
    )


def _escape(character: str) -> str:
    code = ord(character)
    if character in _ESCAPES:
        return _ESCAPES[character]
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is no UTF-8, by surrogateescape
        return f"\\x{code - 0xDC00:02x}"
    if character.isprintable():
        return character
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
