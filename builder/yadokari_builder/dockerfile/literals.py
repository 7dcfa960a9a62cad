"""Literals in flags: truth values, whole numbers, sizes, and fields apart by commas, as Go reads them."""

from yadokari_builder.dockerfile.location import LanguageError
from yadokari_contract import sizes

_TRUE = ("1", "t", "T", "TRUE", "true", "True")
_FALSE = ("0", "f", "F", "FALSE", "false", "False")


def parse_bool(text: str) -> bool:
    """Read a truth value (Go: `strconv.ParseBool`); raises LanguageError."""
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise LanguageError(f'"{text}" is not a truth value', text)


def parse_unsigned(text: str, base: int) -> int:
    """Read a whole number of at most 32 bits (Go: `strconv.ParseUint`); raises LanguageError."""
    digits = "01234567" if base == 8 else "0123456789"
    if text and not text.strip(digits) and len(text) < 20 and (number := int(text, base)) < 1 << 32:
        return number
    raise LanguageError(f'"{text}" is not a number', text)


def parse_size(text: str) -> int:
    """Read a size in bytes: `64m`, `1.5GiB` (go-units: `RAMInBytes`); raises LanguageError."""
    try:
        return sizes.parse_size(text)
    except ValueError as error:
        raise LanguageError(str(error), text) from None


def split_fields(text: str) -> tuple[str, ...]:
    """Split one line of CSV; a field in double quotes may hold commas. Raises LanguageError."""
    text = text.removesuffix("\n").removesuffix("\r") if text.endswith("\n") else text
    if not text:
        raise LanguageError("EOF")
    fields = []
    position = 0
    while position <= len(text):
        if text.startswith('"', position):
            field, position = _quoted_field(text, position + 1)
        else:
            end = text.find(",", position)
            end = len(text) if end < 0 else end
            field, position = text[position:end], end + 1
            if '"' in field:
                raise LanguageError('parse error: bare " in non-quoted-field', text)
        fields.append(field)
    return tuple(fields)


def _quoted_field(text: str, position: int) -> tuple[str, int]:
    """Return the field whose opening quote is behind, and where the next one starts."""
    field = ""
    while (end := text.find('"', position)) >= 0:
        field += text[position:end]
        following = text[end + 1 : end + 2]
        if following in ("", ","):
            return field, end + 2
        if following != '"':
            break
        field += '"'
        position = end + 2
    raise LanguageError('parse error: extraneous or missing " in quoted-field', text)
