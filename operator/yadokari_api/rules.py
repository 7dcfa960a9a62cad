"""Rules of the API: in CEL for the API server, in Python for the operator, in words for people."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

VALIDATIONS = "x-kubernetes-validations"


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule for a value, which `Annotated` attaches to a type; `message` says what is right.

    `cel` and `holds` say the same; what CEL sees as `self`, Python gets as its argument.
    """

    cel: str
    message: str
    holds: Callable[[Any], bool]

    def check(self, value: Any) -> Any:
        """Give the value back; raises ValueError with the message where the rule does not hold."""
        if not self.holds(value):
            raise ValueError(self.message)
        return value

    def added_to(self, schema: JsonSchemaValue) -> JsonSchemaValue:
        """Give a JSON schema with this rule in it, after those that it has."""
        rule = {"rule": self.cel, "message": self.message}
        return {**schema, VALIDATIONS: [*schema.get(VALIDATIONS, []), rule]}

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Check in Python."""
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Have the API server check."""
        return self.added_to(handler(schema))


def matches(pattern: str, message: str) -> Rule:
    """Demand that text matches a pattern, in the syntax that RE2 and Python share, from start to end."""
    whole = re.compile(pattern, re.ASCII)
    return Rule(
        f"self.matches({quoted(f'^({pattern})$')})",
        message,
        lambda value: whole.fullmatch(str(value)) is not None,
    )


def quoted(text: str) -> str:
    """Write text as a literal of CEL."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
