"""Parser directives: the comments `# name=value` at the very start of a Dockerfile.

    directive := "#" [ white space ] name [ white space ] "=" [ white space ] value
    name      := "syntax" | "escape" | "check"

The first line that is none ends them, a blank one too.
"""

import re
from dataclasses import dataclass

from yadokari_builder.dockerfile.location import LanguageError
from yadokari_builder.dockerfile.whitespace import SPACE

DEFAULT_ESCAPE = "\\"
_NAMES = ("syntax", "escape", "check")
_BLANKS = "\t\n\f\r "
_DIRECTIVE = re.compile(rf"([a-zA-Z][a-zA-Z0-9]*)[{_BLANKS}]*=")


@dataclass(frozen=True, slots=True)
class Directive:
    """A directive and the line that it stands on, 1-based."""

    name: str
    value: str
    line: int


def parse_directive(text: str, line: int = 0) -> Directive | None:
    """Read a comment's text, without the `#`, as a directive."""
    text = text.lstrip(SPACE)
    match = _DIRECTIVE.match(text)
    if not match or match[1].lower() not in _NAMES or match.end() == len(text):
        return None
    # Of a value that is blank altogether the last character stays.
    value = text[match.end() :].strip(_BLANKS) or text[-1]
    return Directive(match[1].lower(), value, line)


class DirectiveReader:
    """Reads directives line by line until the first line that is none."""

    def __init__(self) -> None:
        self.directives: dict[str, Directive] = {}
        self._line = 0
        self._open = True

    def read(self, line: str) -> Directive | None:
        """Return the directive on the next line, if any; raises LanguageError for a second of a name."""
        self._line += 1
        directive = parse_directive(line[1:], self._line) if self._open and line.startswith("#") else None
        if directive is None:
            self._open = False
            return None
        if directive.name in self.directives:
            raise LanguageError(f"only one {directive.name} parser directive can be used", line)
        self.directives[directive.name] = directive
        return directive


def escape_of(directive: Directive) -> str:
    """Return the character that an escape directive sets; raises LanguageError."""
    if directive.value not in ("\\", "`"):
        raise LanguageError(
            f"invalid escape token '{directive.value}' does not match ` or \\", directive.value
        )
    return directive.value


def find_check(text: str) -> str:
    """Return the options of the `check` directive, empty without one; a line `#!` may come first.

    Only what is before the first space counts, a comment may follow it.
    """
    reader = DirectiveReader()
    lines = text.removeprefix("\ufeff").split("\n")
    for line in lines[1:] if lines[0].startswith("#!") else lines:
        try:
            directive = reader.read(line.removesuffix("\r"))
        except LanguageError:
            return ""
        if directive is None:
            return ""
        if directive.name == "check":
            return directive.value.partition(" ")[0]
    return ""
