"""What all parts of a spec have in common: how they are read, and how their rules reach the CRD."""

import re
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler, ValidationError, model_validator
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from yadokari_api.rules import Rule, quoted

# What the API server let through and we do not know is of a later version.
_SAID = {"extra_forbidden": "this operator knows no such field: leave it out, or upgrade the operator"}


class Model(BaseModel):
    """Base of all parts of a spec: camelCase names, no unknown fields, never changed once made."""

    model_config = ConfigDict(
        alias_generator=to_camel, extra="forbid", frozen=True, strict=True, validate_by_name=True
    )

    RULES: ClassVar[tuple[Rule, ...]] = ()

    @model_validator(mode="after")
    def _check_rules(self) -> Self:
        for rule in self.RULES:
            rule.check(self)
        return self

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Have the API server check the rules, too."""
        made = handler.resolve_ref_schema(handler(schema))
        for rule in cls.RULES:
            made.update(rule.added_to(made))
        return made


def unique_by(key: str) -> dict[str, Any]:
    """Make a list one that has each value of a field once."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key]}


def keys_match(pattern: str, message: str) -> Rule:
    """Demand that all keys of a map match a pattern; the API server knows no schema for them."""
    return Rule(
        f"self.all(key, key.matches({quoted(f'^({pattern})$')}))",
        message,
        lambda value: all(re.fullmatch(pattern, key, re.ASCII) for key in value),
    )


def exactly_one(fields: tuple[str, ...], message: str) -> Rule:
    """Demand that one of some optional fields is given, and no other of them."""
    given = ", ".join(f"has(self.{to_camel(field)})" for field in fields)
    return Rule(
        f"[{given}].filter(given, given).size() == 1",
        message,
        lambda it: [getattr(it, field) is not None for field in fields].count(True) == 1,
    )


def explain(error: ValidationError, where: str) -> str:
    """Say what is wrong with a part of a resource, without the values, which may be long."""
    problems = (
        (".".join([where, *map(str, problem["loc"])]), _SAID.get(problem["type"], problem["msg"]))
        for problem in error.errors()
    )
    return "; ".join(f"{place}: {message}" for place, message in problems)[:1024]
